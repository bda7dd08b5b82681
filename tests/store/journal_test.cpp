// Outputs in progress: interrupted anywhere, resumed to the same bytes; refused, replaced, already there.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <iostream>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "store/journal.h"
#include "store/sample_writer.h"
#include "store/writing.h"
#include "support/temporary_directory.h"

using namespace mt;
using doctest::Contains;

namespace {

constexpr std::size_t kInputs = 40, kCut = 7;

WriteOptions resuming() {
  WriteOptions options;
  options.resume = true;
  return options;
}

// What a producer does after a resume: goes on behind the last index.
void go_on(const std::string& name, const Schema& schema, const WriteOptions& options) {
  const auto writer = SampleWriter::create(name, schema, options);
  if (writer->already_done()) return;
  test::write_inputs(*writer, schema, static_cast<std::size_t>(writer->last_index() + 1), kInputs, kCut);
  writer->finish(test::some_digest());
}

// Runs work in a process that ends there and then when work returns.
int run_and_die(const std::function<void()>& work) {
  std::cout.flush();  // or the child would say it again
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      work();
    } catch (...) {
      ::_exit(9);
    }
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return status;
}

}  // namespace

TEST_CASE("journal: a run killed after any frame and resumed ends in the same bytes") {
  const Schema schema = test::full_schema();
  const test::TemporaryDirectory dir;
  test::write_samples(dir / "expected.h5", schema, kInputs, kInputs);
  const std::string expected = test::bytes_of(dir / "expected.h5");
  for (std::size_t frames = 0; frames <= kInputs / kCut; ++frames) {
    CAPTURE(frames);
    const std::string name = (dir / "out.h5").string();
    CHECK(run_and_die([&] {
            const auto writer = SampleWriter::create(name, schema, {});
            test::write_inputs(*writer, schema, 0, std::min(kInputs, frames * kCut), kCut);
            ::_exit(0);
          }) == 0);
    CHECK_FALSE(std::filesystem::exists(name));
    if (frames > 0) {
      CHECK_THROWS_WITH_AS(SampleWriter::create(name, schema, {}),
                           Contains("--resume goes on from it, --force starts again"), Error);
    }
    go_on(name, schema, resuming());
    CHECK(test::bytes_of(name) == expected);
    CHECK_FALSE(std::filesystem::exists(name + ".part"));
    std::filesystem::remove(name);
  }
}

TEST_CASE("journal: cut at any byte it is resumed to the same bytes") {
  const Schema schema = test::features_schema(3);
  const test::TemporaryDirectory dir;
  test::write_samples(dir / "expected.h5", schema, kInputs, kCut);
  const std::string expected = test::bytes_of(dir / "expected.h5"), name = (dir / "out.h5").string();
  {
    const auto writer = SampleWriter::create(name, schema, {});
    test::write_inputs(*writer, schema, 0, 3 * kCut, kCut);
    CHECK(writer->journal() == name + ".part");
  }
  const std::string journal = test::bytes_of(name + ".part");
  for (std::size_t size = 0; size <= journal.size(); size += size < 64 ? 1 : 97) {
    CAPTURE(size);
    test::put_bytes(name + ".part", journal.substr(0, size));
    go_on(name, schema, resuming());
    REQUIRE(test::bytes_of(name) == expected);
    std::filesystem::remove(name);
  }
}

TEST_CASE("journal: a resume tells how far the run had come, and what it had read") {
  const Schema schema = test::features_schema();
  const test::TemporaryDirectory dir;
  const std::string name = (dir / "out.h5").string();
  {
    const auto writer = SampleWriter::create(name, schema, {});
    CHECK(writer->last_index() == -1);
    CHECK(writer->resumed_samples() == 0);
    CHECK(writer->journal().empty());
    writer->remember_inputs(test::some_digest("seven"));
    writer->write(test::make_batch(schema, 0, 7));
    writer->remember_inputs(test::some_digest("fourteen"));
    writer->write(test::make_batch(schema, 7, 14));
    writer->remember_inputs(test::some_digest("never sealed"));
  }
  const auto writer = SampleWriter::create(name, schema, resuming());
  CHECK(writer->resumed_samples() == 12);
  CHECK(writer->last_index() == 13);  // which was rejected
  CHECK(writer->resumed_inputs() == test::some_digest("fourteen"));
}

TEST_CASE("journal: a run that sealed nothing leaves nothing") {
  const test::TemporaryDirectory dir;
  { const auto writer = SampleWriter::create((dir / "out.h5").string(), test::features_schema(), {}); }
  CHECK(test::names_in(dir.path()).empty());
}

TEST_CASE("journal: other settings are not resumed, and --force discards") {
  const Schema schema = test::features_schema();
  const test::TemporaryDirectory dir;
  const std::string name = (dir / "out.h5").string();
  {
    const auto writer = SampleWriter::create(name, schema, {});
    writer->write(test::make_batch(schema, 0, 7));
  }
  Schema other = schema;
  other.config["pool"] = "mean";
  const std::string journal = test::bytes_of(name + ".part");
  CHECK_THROWS_WITH_AS(SampleWriter::create(name, other, resuming()), Contains("setting pool is \"cls\", not \"mean\""),
                       Error);
  CHECK(test::bytes_of(name + ".part") == journal);
  WriteOptions force;
  force.force = true;
  const auto writer = SampleWriter::create(name, other, force);
  CHECK(writer->resumed_samples() == 0);
}

TEST_CASE("journal: another precision is resumed only when that is allowed, and the file says from where on") {
  Schema first = test::features_schema(), second = first;
  first.config["dtype"] = "float32";
  second.config["dtype"] = "bfloat16";
  const test::TemporaryDirectory dir;
  const std::string name = (dir / "out.h5").string();
  {
    const auto writer = SampleWriter::create(name, first, {});
    test::write_inputs(*writer, first, 0, 2 * kCut, kCut);
  }
  WriteOptions options = resuming();
  CHECK_THROWS_WITH_AS(SampleWriter::create(name, second, options), Contains("(--force starts again)"), Error);
  options.mixing = {{"device", "dtype"}, false};
  CHECK_THROWS_WITH_AS(SampleWriter::create(name, second, options),
                       Contains("setting dtype is \"float32\", not \"bfloat16\" (--allow-mixed goes on"), Error);
  options.mixing.allowed = true;
  Schema other = second;
  other.config["pool"] = "mean";
  CHECK_THROWS_WITH_AS(SampleWriter::create(name, other, options), Contains("setting pool"), Error);
  {
    const auto writer = SampleWriter::create(name, second, options);
    CHECK(writer->last_index() == 2 * kCut - 1);
    test::write_inputs(*writer, second, 2 * kCut, 4 * kCut, kCut);
  }
  options.mixing.allowed = false;  // as the run before: no further mixing
  go_on(name, second, options);
  const auto reader = SampleReader::open(name);
  test::require_equal(test::read_all(*reader), test::make_batch(first, 0, kInputs));
  CHECK(reader->schema().config["dtype"] == "bfloat16");
  CHECK(reader->schema().config["mixed"] ==
        nlohmann::json::parse(R"([{"dtype":"float32","from":0},{"dtype":"bfloat16","from":14}])"));
}

TEST_CASE("journal: once frames are given back to the disk there is nothing to go on from") {
  const Schema schema = test::features_schema();
  const test::TemporaryDirectory dir;
  const auto path = dir / "out.h5.part";
  {
    Journal journal = Journal::open(path, schema, Existing::refuse);
    for (std::size_t i = 0; i < 3 * kCut; i += kCut) journal.append(test::make_batch(schema, i, i + kCut), {});
    int used = 0;
    const auto fail_at_second = [&](const Batch&) {
      if (++used == 2) throw Error("out.h5", "the disk is full");
    };
    CHECK_THROWS_AS(journal.replay(fail_at_second, false), Error);
    CHECK(journal.resumable());
    used = 0;
    CHECK_THROWS_AS(journal.replay(fail_at_second, true), Error);
    CHECK_FALSE(journal.resumable());
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("journal: a writer that cannot be resumed leaves nothing behind") {
  const Schema schema = test::features_schema();
  const test::TemporaryDirectory dir;
  const std::string name = (dir / "out.h5").string();
  WriteOptions options;
  options.resumable = false;
  {
    const auto writer = SampleWriter::create(name, schema, options);
    test::write_inputs(*writer, schema, 0, kInputs, kCut);
    CHECK(writer->journal().empty());
  }
  CHECK(test::names_in(dir.path()).empty());
  test::write_samples(name, schema, kInputs, kCut, options);
  test::require_equal(test::read_all(name), test::make_batch(schema, 0, kInputs));
  CHECK(test::names_in(dir.path()) == std::vector<std::string>{"out.h5"});
}

TEST_CASE("journal: two at once: the second one is told so, and harms nothing") {
  const Schema schema = test::features_schema();
  const test::TemporaryDirectory dir;
  const std::string name = (dir / "out.h5").string();
  const auto first = SampleWriter::create(name, schema, {});
  first->write(test::make_batch(schema, 0, 7));
  for (const bool force : {false, true}) {
    WriteOptions options = resuming();
    options.force = force;
    CHECK_THROWS_WITH_AS(SampleWriter::create(name, schema, options), Contains("is being written by another process"),
                         Error);
  }
  first->finish(test::some_digest());
  test::require_equal(test::read_all(name), test::make_batch(schema, 0, 7));
}

TEST_CASE("journal: eight processes write one output at once, and one whole file is there") {
  const Schema schema = test::full_schema();
  const test::TemporaryDirectory dir;
  test::write_samples(dir / "expected.h5", schema, kInputs, kCut);
  const std::string expected = test::bytes_of(dir / "expected.h5"), name = (dir / "out.h5").string();
  std::filesystem::remove(dir / "expected.h5");
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        WriteOptions options;
        options.inputs = test::some_digest();
        go_on(name, schema, options);
      } catch (const Error&) {
        ::_exit(1);
      } catch (...) {
        ::_exit(9);
      }
      ::_exit(0);
    }
    children.push_back(child);
  }
  int done = 0;
  for (const pid_t child : children) {
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK((status == 0 || WEXITSTATUS(status) == 1));
    done += status == 0;
  }
  CHECK(done >= 1);
  CHECK(test::bytes_of(name) == expected);
  CHECK(test::names_in(dir.path()) == std::vector<std::string>{"out.h5"});
}

TEST_CASE("journal: an equal output is left alone, a different one refused without --force") {
  const Schema schema = test::features_schema();
  const test::TemporaryDirectory dir;
  const std::string name = (dir / "out.h5").string();
  test::write_samples(name, schema, kInputs, kCut);
  const std::string before = test::bytes_of(name);
  WriteOptions known;
  known.inputs = test::some_digest();
  CHECK(SampleWriter::create(name, schema, known)->already_done());
  CHECK_THROWS_WITH_AS(SampleWriter::create(name, schema, {}), Contains("--force replaces it"), Error);
  known.inputs = test::some_digest("others");
  CHECK_THROWS_WITH_AS(SampleWriter::create(name, schema, known), Contains("made from other inputs"), Error);
  Schema other = schema;
  other.width = 8;
  CHECK_THROWS_WITH_AS(SampleWriter::create(name, other, {}), Contains("/features is 16 wide, not 8"), Error);
  test::put_bytes(dir / "text", "no HDF5");
  CHECK_THROWS_WITH_AS(SampleWriter::create((dir / "text").string(), schema, {}), Contains("--force replaces it"),
                       Error);
  CHECK(test::bytes_of(name) == before);
  WriteOptions force;
  force.force = true;
  test::write_samples(name, schema, 10, kCut, force);
  test::require_equal(test::read_all(name), test::make_batch(schema, 0, 10));
}

TEST_CASE("journal: outputs that do not say what they were made from are not taken for equal") {
  const Schema schema = test::features_schema();
  const test::TemporaryDirectory dir;
  const std::string name = (dir / "out.h5").string();
  {
    const auto writer = SampleWriter::create(name, schema, {});
    test::write_inputs(*writer, schema, 0, kInputs, kCut);
    writer->finish({});
  }
  WriteOptions unknown;
  for (const Digest& inputs : {Digest{}, test::some_digest()}) {
    unknown.inputs = inputs;
    CHECK_THROWS_WITH_AS(SampleWriter::create(name, schema, unknown),
                         Contains("whether its inputs are the same is not known (--force replaces it)"), Error);
  }
}

TEST_CASE("journal: an output without a name is wrong usage") {
  CHECK_THROWS_WITH_AS(SampleWriter::create("", test::features_schema(), {}), Contains("--output: is empty"),
                       UsageError);
}

TEST_CASE("journal: killed between publishing and removing the journal, a resume sees that all is done") {
  const Schema schema = test::features_schema();
  const test::TemporaryDirectory dir;
  const std::string name = (dir / "out.h5").string();
  // A journal with its end sealed, kept by a second name while the run removes the first.
  {
    const auto writer = SampleWriter::create(name, schema, {});
    test::write_inputs(*writer, schema, 0, kInputs, kCut);
    std::filesystem::create_hard_link(name + ".part", dir / "kept");
    writer->finish(test::some_digest());
  }
  const std::string expected = test::bytes_of(name);
  std::filesystem::rename(dir / "kept", name + ".part");
  CHECK(SampleWriter::create(name, schema, resuming())->already_done());
  CHECK(test::bytes_of(name) == expected);
  CHECK(test::names_in(dir.path()) == std::vector<std::string>{"out.h5"});
}

TEST_CASE("journal: killed while the HDF5 file was being made, a resume makes it and tidies up") {
  const Schema schema = test::features_schema();
  const test::TemporaryDirectory dir;
  const std::string name = (dir / "out.h5").string();
  test::write_samples(dir / "expected.h5", schema, kInputs, kCut);
  {
    const auto writer = SampleWriter::create(name, schema, {});
    test::write_inputs(*writer, schema, 0, kInputs, kCut);
    request_interrupt(SIGTERM);
    CHECK_THROWS_AS(writer->finish(test::some_digest()), Interrupted);
    request_interrupt(0);
    CHECK(writer->journal() == name + ".part");
  }
  // As a killed process leaves it; process 2^22 + 1 cannot be.
  test::put_bytes(dir / ".out.h5.4194305.0.tmp", "half");
  go_on(name, schema, resuming());
  CHECK(test::bytes_of(name) == test::bytes_of(dir / "expected.h5"));
  CHECK(test::names_in(dir.path()) == std::vector<std::string>{"expected.h5", "out.h5"});
}

TEST_CASE("journal: what is in the way is named and left alone") {
  const test::TemporaryDirectory dir;
  const Schema schema = test::features_schema();
  const std::string name = (dir / "out.h5").string();
  WriteOptions force = resuming();
  force.force = true;
  test::put_bytes(name + ".part", "somebody's own file");
  CHECK_THROWS_WITH_AS(SampleWriter::create(name, schema, force), Contains("is no journal of ours"), Error);
  CHECK(test::bytes_of(name + ".part") == "somebody's own file");
  std::filesystem::remove(name + ".part");
  std::filesystem::create_directory(name + ".part");
  CHECK_THROWS_AS(SampleWriter::create(name, schema, force), Error);
  CHECK_THROWS_WITH_AS(SampleWriter::create(dir.path().string(), schema, {}), Contains("is a directory"), Error);
  CHECK_THROWS_WITH_AS(SampleWriter::create((dir / "none/out.h5").string(), schema, {}), Contains("does not exist"),
                       Error);
}

TEST_CASE("journal: a link's target is replaced, and the link stays") {
  const test::TemporaryDirectory dir;
  std::filesystem::create_directory(dir / "far");
  std::filesystem::create_symlink("far/real.h5", dir / "out.h5");
  test::write_samples(dir / "out.h5", test::features_schema(), 10, 5);
  CHECK(std::filesystem::is_symlink(dir / "out.h5"));
  test::require_equal(test::read_all(dir / "far/real.h5"), test::make_batch(test::features_schema(), 0, 10));
}

TEST_CASE("journal: a full disk at any size is one error, and the work so far is kept") {
  const Schema schema = test::features_schema(256);
  const test::TemporaryDirectory dir;
  const std::string name = (dir / "out.h5").string();
  test::write_samples(dir / "expected.h5", schema, kInputs, kCut);
  const std::string expected = test::bytes_of(dir / "expected.h5");
  test::put_bytes(name, "an older output");
  WriteOptions force;
  force.force = true;
  int failures = 0;
  for (rlim_t limit = 0; limit < 80'000; limit += limit < 8192 ? 512 : 1999) {
    CAPTURE(limit);
    const int status = run_and_die([&] {
      ::signal(SIGXFSZ, SIG_IGN);
      const rlimit small{limit, limit};
      ::setrlimit(RLIMIT_FSIZE, &small);
      try {
        go_on(name, schema, force);
      } catch (const Error& error) {
        std::exit(std::string(error.what()).find("File too large") == std::string::npos ? 8 : 1);  // with exit handlers
      }
      std::exit(0);
    });
    REQUIRE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 0) {
      CHECK(test::bytes_of(name) == expected);
      test::put_bytes(name, "an older output");
      continue;
    }
    ++failures;
    CHECK(WEXITSTATUS(status) == 1);
    CHECK(test::bytes_of(name) == "an older output");
    for (const std::string& other : test::names_in(dir.path())) {
      CHECK((other == "out.h5" || other == "expected.h5" || other == "out.h5.part"));
    }
    WriteOptions both = force;
    both.resume = true;
    go_on(name, schema, both);
    CHECK(test::bytes_of(name) == expected);
    test::put_bytes(name, "an older output");
  }
  CHECK(failures > 20);
}

TEST_CASE("journal: killed at random times, five times in a row, a resume ends in the same bytes") {
  const Schema schema = test::features_schema(512);
  const test::TemporaryDirectory dir;
  const std::string name = (dir / "out.h5").string();
  constexpr std::size_t kMany = 400;
  test::write_samples(dir / "expected.h5", schema, kMany, kCut);
  const std::string expected = test::bytes_of(dir / "expected.h5");
  for (unsigned round = 0; round < 8; ++round) {
    for (unsigned kill = 0; kill < 5; ++kill) {
      const pid_t child = ::fork();
      if (child == 0) {
        try {
          const auto writer = SampleWriter::create(name, schema, resuming());
          if (!writer->already_done()) {
            test::write_inputs(*writer, schema, static_cast<std::size_t>(writer->last_index() + 1), kMany, kCut);
            writer->finish(test::some_digest());
          }
        } catch (...) {
          ::_exit(9);
        }
        ::_exit(0);
      }
      ::usleep((round * 5 + kill) * 7919 % 40'000);
      ::kill(child, SIGKILL);
      int status = 0;
      REQUIRE(::waitpid(child, &status, 0) == child);
      CHECK((WIFSIGNALED(status) || status == 0 || std::filesystem::exists(name)));
      if (std::filesystem::exists(name)) CHECK(test::bytes_of(name) == expected);
    }
    WriteOptions options = resuming();
    options.inputs = test::some_digest();
    const auto writer = SampleWriter::create(name, schema, options);
    if (!writer->already_done()) {
      test::write_inputs(*writer, schema, static_cast<std::size_t>(writer->last_index() + 1), kMany, kCut);
      writer->finish(test::some_digest());
    }
    CHECK(test::bytes_of(name) == expected);
    std::filesystem::remove(name);
  }
}
