#include "cli/run.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <new>
#include <system_error>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "cli/help.h"
#include "store/hdf5_fault.h"

namespace mt::cli {

namespace {

constexpr int kFailed = 1, kUsage = 2;

extern "C" void on_signal(int signal) {
  // The second signal of a kind does not wait for a safe point.
  if (requested_interrupt() == signal) {
    ::signal(signal, SIG_DFL);
    ::raise(signal);
  }
  request_interrupt(signal);
}

const char* program_name = "";

// A fault within HDF5 is the fault of the file that it reads. Any other is ours, and kills as it would.
extern "C" void on_fault(int signal) {
  const char* file = h5::file_in_hands();
  if (file == nullptr) {
    ::raise(signal);  // blocked until the handler returns; its action is the default again
    return;
  }
  for (const char* text : {program_name, ": ", file, ": is damaged in a way that HDF5 does not survive",
                           " (make it again, or leave it out)\n"}) {
    [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text, std::strlen(text));
  }
  ::_exit(kFailed);
}

// Handlers get a stack of their own: kernels that oneDNN generates let the stack pointer walk through a workspace on
// the heap, and what the system keeps of the registers, some kilobytes, would be written over what lies below it. The
// main thread gets every signal of the process, so one stack does.
void install_signals() {
  constexpr std::size_t kStack = std::size_t{256} << 10;  // registers and tiles of any x86 take less than 16 KiB
  alignas(64) static std::byte stack[kStack];
  stack_t present{};
  if (::sigaltstack(nullptr, &present) != 0 || (present.ss_flags & SS_DISABLE) != 0) {  // sanitizers bring their own
    stack_t alternate{};
    alternate.ss_sp = stack;
    alternate.ss_size = kStack;
    ::sigaltstack(&alternate, nullptr);
  }

  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_ONSTACK;
  sigemptyset(&action.sa_mask);  // no SA_RESTART: a blocking read returns and sees the request
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    struct sigaction old {};
    ::sigaction(signal, nullptr, &old);
    if (old.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr);  // nohup stays nohup
  }
  action.sa_handler = on_fault;
  action.sa_flags = SA_ONSTACK | static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE}) {
    struct sigaction old {};
    ::sigaction(signal, nullptr, &old);
    if (old.sa_handler == SIG_DFL) ::sigaction(signal, &action, nullptr);  // sanitizers have theirs
  }
  // Written past a file-size limit: an error of the write call, with a message, instead of a silent death.
  ::signal(SIGXFSZ, SIG_IGN);
}

// A closed standard descriptor would be handed to the next file that is opened, and messages would land in it.
void open_missing_descriptors() {
  for (int descriptor = 0; descriptor <= 2; ++descriptor) {
    if (::fcntl(descriptor, F_GETFD) != -1 || errno != EBADF) continue;
    // Opened the wrong way round on purpose: reading or writing it then fails and is reported.
    const int opened = ::open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY);
    if (opened != descriptor && opened >= 0) ::close(opened);
  }
}

// The memory of one batch serves the next. glibc would give it back to the system each time, and the system would fill
// it with zeros, page by page, once more: 40 % of the time in which series become tokens.
void keep_freed_memory() {
#ifdef M_TRIM_THRESHOLD
  ::mallopt(M_TRIM_THRESHOLD, 256 << 20);
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most that glibc takes; larger blocks go back at once
#endif
}

[[noreturn]] void die_of(int signal) {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  sigemptyset(&action.sa_mask);
  ::sigaction(signal, &action, nullptr);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
  ::raise(signal);
  ::_exit(128 + signal);
}

void complain(const std::string& program, const std::string& message) {
  const std::string line = program + ": " + message + "\n";
  // Straight to the descriptor: nothing can be done when even this fails.
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, line.data(), line.size());
}

// Flushes standard output; throws when a byte was lost.
void flush_stdout() {
  errno = 0;
  std::cout.flush();
  const bool failed = std::fflush(stdout) != 0 || std::ferror(stdout) != 0 || !std::cout;
  if (!failed) return;
  throw system_error("standard output", "write", errno == 0 ? EIO : errno);
}

// The messages of the parsing library, in our form.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  std::string text = error.what();
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  std::string first = printable(trimmed(text));
  // A misspelt option that is required is missing and surplus at once; the spelling says more.
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr ||
      dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    // Names the first unknown word and the nearest option.
    for (const std::string& word : app.remaining()) {
      if (word.empty() || word[0] != '-' || word == "-") {
        first = "unexpected argument: " + printable(word);
        continue;
      }
      std::vector<std::string> names;
      for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames()) {
          if (!option->get_group().empty()) names.push_back("--" + name);
        }
      }
      const std::string given = word.substr(0, word.find('='));
      const std::string near = nearest(given, names);
      first = "unknown option " + printable(given);
      if (!near.empty()) first += " (did you mean " + near + "?)";
      break;
    }
  }
  return first;
}

bool is_verbose(const CLI::App& app) {
  const auto given = [&](const char* name) {
    const CLI::Option* option = app.get_option_no_throw(name);
    return option != nullptr && option->count() > 0;
  };
  if (given("--verbose")) return !given("--quiet");
  const auto chosen = app.get_subcommands();
  return std::any_of(chosen.begin(), chosen.end(), [](const CLI::App* one) { return is_verbose(*one); });
}

// What --verbose says at the end of every program.
std::string resources_used(std::chrono::steady_clock::time_point start) {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return fmt::format("{:.2f} s, {:.2f} s of processor time, at most {} of memory",
                     std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
                     seconds(usage.ru_utime) + seconds(usage.ru_stime),
                     human_bytes(static_cast<std::uint64_t>(usage.ru_maxrss) * 1024));
}

int act(const About& about, int argc, char** argv, const std::function<Action(CLI::App&)>& describe) {
  CLI::App app(about.purpose, about.name);
  app.set_help_flag();
  app.option_defaults()->group("Options");
  bool help = false, version = false;
  std::string help_form;
  const Action action = describe(app);
  app.add_flag("-h,--help", help, "Show this help")->group("Other");
  app.add_flag("--version", version, "Show version, libraries and instruction set")->group("Other");
  app.add_option("--help-as", help_form, "")->group("");

  // These answer whatever else is on the line, also when required arguments are missing.
  for (int i = 1; i < argc && std::strcmp(argv[i], "--") != 0; ++i) {
    const std::string_view word = argv[i];
    if (word == "--help" || word == "-h") {
      std::cout << help_text(about, app);
      return 0;
    }
    if (word == "--version") {
      std::cout << version_text(about.name);
      return 0;
    }
    if (word == "--help-as" && i + 1 < argc) {
      std::cout << help_as(about, app, argv[i + 1]);
      return 0;
    }
  }

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    complain(about.name, usage_message(app, error));
    complain(about.name, fmt::format("usage: {} {} (--help lists the options)", about.name, about.usage));
    return kUsage;
  }
  const auto start = std::chrono::steady_clock::now();
  const int status = static_cast<int>(action());
  if (is_verbose(app)) complain(about.name, resources_used(start));
  return status;
}

}  // namespace

int run(const About& about, int argc, char** argv, const std::function<Action(CLI::App&)>& describe) {
  program_name = about.name.c_str();
  open_missing_descriptors();
  install_signals();
  keep_freed_memory();
  int status = kFailed;
  try {
    const int outcome = act(about, argc, argv, describe);
    flush_stdout();
    status = outcome;  // not before: a byte that is lost here is a failure
  } catch (const Interrupted& stop) {
    die_of(stop.signal());
  } catch (const UsageError& error) {
    complain(about.name, error.what());
    complain(about.name, fmt::format("usage: {} {} (--help lists the options)", about.name, about.usage));
    status = kUsage;
  } catch (const Error& error) {
    complain(about.name, error.what());
  } catch (const std::bad_alloc&) {
    complain(about.name, "not enough memory (try a smaller --budget or fewer --threads)");
  } catch (const std::system_error& error) {
    complain(about.name, printable(error.what()));  // the system refused: fmt could not write, no thread could start
  } catch (const std::exception& error) {
    complain(about.name, fmt::format("internal error: {} (please report it)", printable(error.what())));
  }
  if (const int signal = requested_interrupt(); signal != 0 && status == kFailed) die_of(signal);
  std::fflush(stdout);
  return status;
}

}  // namespace mt::cli
