// What all programs share: parsing, errors in one line, exit status, signals, help in one shape.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

namespace mt::cli {

// Exit status of a program that ran: done, or done with some inputs rejected. Errors are thrown, not returned.
enum class Outcome : std::uint8_t { done = 0, rejected = 3 };

using Action = std::function<Outcome()>;

// Texts around the options that --help and the man page share.
struct About {
  std::string name;     // "mt-encode"
  std::string usage;    // "[options] TOKENS -o FEATURES"
  std::string purpose;  // one sentence: what it is for
  std::vector<std::string> examples;
  std::vector<std::string> see_also;  // "mt-tokenize(1)"
  // What the first argument may be, each with its meaning, where it chooses among option lists of their own.
  std::vector<std::pair<std::string, std::string>> choices = {};
};

// Builds the command line with describe (which returns the action), parses, acts. The only place that catches, prints
// "program: message" and chooses the exit status: 0 done, 1 failed, 2 usage, 3 rejected; dies of SIGINT, SIGTERM,
// SIGHUP and SIGPIPE. Checks that standard output took every byte.
int run(const About& about, int argc, char** argv, const std::function<Action(CLI::App&)>& describe);

}  // namespace mt::cli
