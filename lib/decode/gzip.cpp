#include "decode/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>

#include <fmt/format.h>

#include "base/error.h"

namespace mt {

struct GzipReader::State {
  explicit State(std::span<const std::byte> bytes) : left(bytes) {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (inflateInit2(&stream, kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~State() { inflateEnd(&stream); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  z_stream stream{};
  std::span<const std::byte> left;  // not yet given to zlib
  bool member_ended = false;
};

bool is_gzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1F} && bytes[1] == std::byte{0x8B};
}

GzipReader::GzipReader(std::span<const std::byte> bytes, std::string where)
    : where_(std::move(where)), state_(std::make_unique<State>(bytes)) {}

GzipReader::~GzipReader() = default;

std::size_t GzipReader::read_some(std::span<std::byte> out) {
  constexpr std::size_t kPiece = std::numeric_limits<uInt>::max();
  z_stream& stream = state_->stream;
  std::size_t done = 0;
  while (done < out.size()) {
    if (stream.avail_in == 0 && !state_->left.empty()) {
      const std::size_t piece = std::min(kPiece, state_->left.size());
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(state_->left.data()));  // zlib only reads it
      stream.avail_in = static_cast<uInt>(piece);
      state_->left = state_->left.subspan(piece);
    }
    if (state_->member_ended) {
      if (stream.avail_in == 0) break;
      inflateReset(&stream);
      state_->member_ended = false;
    }
    const std::size_t wanted = std::min(kPiece, out.size() - done);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + done);
    stream.avail_out = static_cast<uInt>(wanted);
    const int status = inflate(&stream, Z_NO_FLUSH);
    done += wanted - stream.avail_out;
    total_ += wanted - stream.avail_out;
    state_->member_ended = status == Z_STREAM_END;
    if (status == Z_BUF_ERROR ||
        (status == Z_OK && stream.avail_in == 0 && stream.avail_out > 0 && state_->left.empty())) {
      throw Error(where_, fmt::format("the gzip file is cut: it ends after {} inflated bytes", total_),
                  "copy it again");
    }
    if (status != Z_OK && status != Z_STREAM_END) {
      throw Error(where_,
                  fmt::format("the gzip file is damaged after {} inflated bytes: {}", total_,
                              stream.msg == nullptr ? "no reason given" : stream.msg),
                  "copy it again");
    }
  }
  return done;
}

void GzipReader::read(std::span<std::byte> out) {
  const std::size_t got = read_some(out);
  if (got < out.size()) {
    throw Error(where_, fmt::format("ends after {} inflated bytes, {} more were expected", total_, out.size() - got),
                "copy it again");
  }
}

}  // namespace mt
