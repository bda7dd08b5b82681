// Streams of frames, and what pipes and standard output do with them.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "store/frames.h"
#include "store/hdf5.h"
#include "store/sample_reader.h"
#include "store/sample_writer.h"
#include "store/writing.h"
#include "support/temporary_directory.h"

using namespace mt;
using doctest::Contains;

namespace {

// Puts a descriptor in the place of standard input or output, and back.
class Redirected {
 public:
  Redirected(int standard, int replacement) : standard_(standard), saved_(::dup(standard)) {
    ::dup2(replacement, standard_);
  }
  ~Redirected() {
    ::dup2(saved_, standard_);
    ::close(saved_);
  }
  Redirected(const Redirected&) = delete;
  Redirected& operator=(const Redirected&) = delete;

 private:
  int standard_, saved_;
};

// The stream that a writer sends into a pipe.
std::string stream_of(const Schema& schema, std::size_t count, std::size_t cut) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  std::string bytes;
  std::thread reader([&] {
    char block[4096];
    for (ssize_t got; (got = ::read(ends[0], block, sizeof block)) > 0;)
      bytes.append(block, static_cast<std::size_t>(got));
  });
  {
    const Redirected out(STDOUT_FILENO, ends[1]);
    ::close(ends[1]);
    const auto writer = SampleWriter::create("-", schema, {});
    test::write_inputs(*writer, schema, 0, count, cut);
    writer->finish(test::some_digest());
  }
  reader.join();
  ::close(ends[0]);
  return bytes;
}

// Calls use with standard input fed from bytes through a pipe.
template <class Use>
void with_input(const std::string& bytes, Use use) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  ::signal(SIGPIPE, SIG_IGN);
  std::jthread feeder([&] {
    for (std::size_t at = 0; at < bytes.size();) {
      const ssize_t sent = ::write(ends[1], bytes.data() + at, bytes.size() - at);
      if (sent < 0) break;
      at += static_cast<std::size_t>(sent);
    }
    ::close(ends[1]);
  });
  {
    const Redirected in(STDIN_FILENO, ends[0]);
    ::close(ends[0]);
    use();
  }
}

}  // namespace

TEST_CASE("stream: what goes into a pipe comes out of it, in any cut") {
  for (const Schema& schema : {test::full_schema(), test::features_schema()}) {
    const std::string bytes = stream_of(schema, 40, 7);
    for (const std::size_t max_rows : {1, 9, 1000}) {
      with_input(bytes, [&] {
        const auto reader = SampleReader::open("-");
        CHECK(difference(reader->schema(), schema) == "");
        CHECK_FALSE(reader->samples().has_value());
        CHECK_FALSE(reader->seekable());
        test::require_equal(test::read_all(*reader, max_rows), test::make_batch(schema, 0, 40));
        CHECK(reader->samples() == 36);
        CHECK(reader->inputs() == test::some_digest());
      });
    }
  }
}

TEST_CASE("stream: equal input gives equal bytes") {
  const std::string bytes = stream_of(test::full_schema(), 20, 7);
  ::usleep(1'100'000);  // across a second boundary
  CHECK(stream_of(test::full_schema(), 20, 7) == bytes);
}

TEST_CASE("stream: saved as a file it can be read too") {
  const test::TemporaryDirectory dir;
  test::put_bytes(dir / "x.mt5s", stream_of(test::features_schema(), 20, 7));
  test::require_equal(test::read_all(dir / "x.mt5s"), test::make_batch(test::features_schema(), 0, 20));
}

TEST_CASE("stream: cut at any byte, it is said after how many samples") {
  const test::TemporaryDirectory dir;
  const std::string bytes = stream_of(test::features_schema(2), 6, 2);
  CHECK(bytes.size() > 4000);
  CHECK(bytes.size() < 40'000);
  test::put_bytes(dir / "cut", bytes);
  for (std::size_t size = bytes.size(); size-- > 0;) {
    CAPTURE(size);
    REQUIRE(::truncate((dir / "cut").c_str(), static_cast<off_t>(size)) == 0);
    CHECK_THROWS_AS(test::read_all(dir / "cut"), Error);
  }
  // Without the end frame the message is the one for a producer that died.
  const std::size_t end = bytes.rfind("MT5S");
  test::put_bytes(dir / "cut", bytes.substr(0, end));
  CHECK_THROWS_WITH_AS(test::read_all(dir / "cut"), Contains("stream ended without its end mark after 5 samples"),
                       Error);
}

TEST_CASE("stream: every flipped bit is noticed") {
  const test::TemporaryDirectory dir;
  const std::string bytes = stream_of(test::features_schema(2), 6, 2);
  test::put_bytes(dir / "damaged", bytes);
  for (std::size_t i = 0; i < 400; ++i) {
    const std::size_t bit = (i * 7919 + 13) % (bytes.size() * 8);
    CAPTURE(bit);
    test::flip_bit(dir / "damaged", bit);
    CHECK_THROWS_AS(test::read_all(dir / "damaged"), Error);
    test::flip_bit(dir / "damaged", bit);
  }
}

TEST_CASE("stream: frames that are missing, doubled or left over are noticed") {
  const test::TemporaryDirectory dir;
  const std::string bytes = stream_of(test::features_schema(2), 6, 2);
  std::vector<std::size_t> starts;
  for (std::size_t at = 0; (at = bytes.find("MT5S", at)) != std::string::npos; ++at) starts.push_back(at);
  REQUIRE(starts.size() == 5);
  starts.push_back(bytes.size());
  const auto frame = [&](std::size_t i) { return bytes.substr(starts[i], starts[i + 1] - starts[i]); };
  test::put_bytes(dir / "x", frame(0) + frame(1) + frame(3) + frame(4));
  CHECK_THROWS_WITH_AS(test::read_all(dir / "x"), Contains("frame 3 of kind 2 stands where frame 2 should"), Error);
  test::put_bytes(dir / "x", frame(0) + frame(1) + frame(1));
  CHECK_THROWS_AS(test::read_all(dir / "x"), Error);
  test::put_bytes(dir / "x", bytes + bytes);
  CHECK_THROWS_AS(test::read_all(dir / "x"), Error);
  test::put_bytes(dir / "x", frame(1));
  CHECK_THROWS_AS(test::read_all(dir / "x"), Error);
}

TEST_CASE("stream: an HDF5 file through a pipe, and as standard input itself") {
  const test::TemporaryDirectory dir;
  const Schema schema = test::features_schema();
  test::write_samples(dir / "a.h5", schema, 30, 10);
  with_input(test::bytes_of(dir / "a.h5"), [&] {
    const auto reader = SampleReader::open("-");
    CHECK(reader->seekable());
    test::require_equal(test::read_all(*reader), test::make_batch(schema, 0, 30));
  });
  const int file = ::open((dir / "a.h5").c_str(), O_RDONLY);
  const Redirected in(STDIN_FILENO, file);
  ::close(file);
  test::require_equal(test::read_all(*SampleReader::open("-")), test::make_batch(schema, 0, 30));
}

TEST_CASE("stream: standard output that is a file becomes the plain HDF5 file") {
  const test::TemporaryDirectory dir;
  const Schema schema = test::full_schema();
  test::write_samples(dir / "expected.h5", schema, 30, 10);
  {
    const int file = ::open((dir / "a.h5").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    const Redirected out(STDOUT_FILENO, file);
    ::close(file);
    const auto writer = SampleWriter::create("-", schema, {});
    test::write_inputs(*writer, schema, 0, 30, 7);
    writer->finish(test::some_digest());
  }
  CHECK(test::bytes_of(dir / "a.h5") == test::bytes_of(dir / "expected.h5"));
  const int file = ::open((dir / "a.h5").c_str(), O_WRONLY | O_APPEND);
  const Redirected out(STDOUT_FILENO, file);
  ::close(file);
  CHECK_THROWS_WITH_AS(SampleWriter::create("-", schema, {}), Contains("holds"), Error);
}

TEST_CASE("stream: terminals are refused both ways") {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
  REQUIRE(terminal >= 0);
  REQUIRE(::grantpt(terminal) == 0);
  REQUIRE(::unlockpt(terminal) == 0);
  const int user = ::open(::ptsname(terminal), O_RDWR | O_NOCTTY);
  REQUIRE(user >= 0);
  {
    const Redirected out(STDOUT_FILENO, user);
    CHECK_THROWS_WITH_AS(SampleWriter::create("-", test::features_schema(), {}), Contains("is a terminal"), UsageError);
  }
  const Redirected in(STDIN_FILENO, user);
  CHECK_THROWS_WITH_AS(SampleReader::open("-"), Contains("is a terminal"), UsageError);
  ::close(user);
  ::close(terminal);
}

TEST_CASE("stream: a reader that leaves ends the writer by SIGPIPE, without a word") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGPIPE, SIG_DFL);
    ::close(ends[0]);
    ::dup2(ends[1], STDOUT_FILENO);
    const auto writer = SampleWriter::create("-", test::features_schema(), {});
    for (;;) writer->write(test::make_batch(test::features_schema(), 0, 3));
  }
  ::close(ends[1]);
  char byte;
  REQUIRE(::read(ends[0], &byte, 1) == 1);
  ::close(ends[0]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGPIPE);
}

TEST_CASE("stream: a frame's declared length takes no memory before its bytes come") {
  const test::TemporaryDirectory dir;
  std::string bytes = stream_of(test::features_schema(2), 6, 2);
  // Both lengths are given a correct checksum, as a hostile producer would.
  for (const std::uint64_t length : {std::uint64_t{1} << 32, std::uint64_t{1} << 62}) {
    std::memcpy(bytes.data() + 16, &length, 8);
    const std::uint32_t crc = crc32_of(std::as_bytes(std::span(bytes.data(), 24)));
    std::memcpy(bytes.data() + 24, &crc, 4);
    test::put_bytes(dir / "x", bytes);
    CHECK_THROWS_WITH_AS(test::read_all(dir / "x"), Contains(length >> 33 ? "the limit is" : "is cut"), Error);
  }
}

TEST_CASE("stream: a newer version is said to be one") {
  const test::TemporaryDirectory dir;
  std::string bytes = stream_of(test::features_schema(2), 6, 2);
  bytes[4] = 2;
  const std::uint32_t crc = crc32_of(std::as_bytes(std::span(bytes.data(), 24)));
  std::memcpy(bytes.data() + 24, &crc, 4);
  test::put_bytes(dir / "x", bytes);
  CHECK_THROWS_WITH_AS(test::read_all(dir / "x"), Contains("version 2"), Error);
}
