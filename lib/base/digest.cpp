#include "base/digest.h"

#include <openssl/evp.h>

#include <cerrno>
#include <cstdio>
#include <new>
#include <stdexcept>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace mt {

namespace {

// Fetched once: EVP_sha256() is looked up under a lock at every use.
const EVP_MD* sha256_method() {
  static const std::unique_ptr<EVP_MD, void (*)(EVP_MD*)> method(EVP_MD_fetch(nullptr, "SHA256", nullptr), EVP_MD_free);
  return method.get();
}

// One object a thread, used again for every short message.
Sha256& reused() {
  thread_local Sha256 hash;
  return hash;
}

}  // namespace

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() {
    if (context == nullptr) throw std::bad_alloc();
    reset();
  }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  void reset() const {
    if (EVP_DigestInit_ex2(context, sha256_method(), nullptr) != 1) throw std::logic_error("SHA-256 is not available");
  }
};

Sha256::Sha256() : state_(new State) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

Sha256& Sha256::update(std::span<const std::byte> bytes) {
  if (EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) != 1) throw std::logic_error("SHA-256 failed");
  return *this;
}

Sha256& Sha256::update(std::string_view bytes) { return update(std::as_bytes(std::span(bytes.data(), bytes.size()))); }

Digest Sha256::finish() {
  Digest digest{};
  if (EVP_DigestFinal_ex(state_->context, digest.data(), nullptr) != 1) throw std::logic_error("SHA-256 failed");
  state_->reset();
  return digest;
}

Digest sha256(std::string_view bytes) { return reused().update(bytes).finish(); }
Digest sha256(std::span<const std::byte> bytes) { return reused().update(bytes).finish(); }

Digest sha256_file(const std::filesystem::path& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) throw system_error(path.string(), "open", errno);
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  Sha256 hash;
  for (std::size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), file.get())) > 0;) {
    hash.update(std::span(buffer).first(got));
  }
  if (std::ferror(file.get()) != 0) throw system_error(path.string(), "read", errno);
  return hash.finish();
}

std::string hex(const Digest& digest) { return hex(digest.data(), digest.size()); }

Digest digest_from_hex(std::string_view text) {
  Digest digest{};
  constexpr std::string_view kDigits = "0123456789abcdef";
  bool valid = text.size() == 2 * digest.size();
  for (std::size_t i = 0; valid && i < digest.size(); ++i) {
    const std::size_t high = kDigits.find(text[2 * i]), low = kDigits.find(text[2 * i + 1]);
    valid = high != std::string_view::npos && low != std::string_view::npos;
    if (valid) digest[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  if (!valid) throw Error(text, "is not a SHA-256 digest of 64 lower-case hexadecimal digits");
  return digest;
}

void SetDigest::add(std::string_view id, const Digest& content) {
  const std::uint64_t length = id.size();
  Sha256& hash = reused();
  hash.update(std::as_bytes(std::span(&length, 1))).update(id).update(std::as_bytes(std::span(content)));
  add(from(hash.finish()));
}

void SetDigest::add(const SetDigest& shard) {
  unsigned carry = 0;
  for (std::size_t i = 0; i < sum_.size(); ++i) {
    carry += unsigned{sum_[i]} + shard.sum_[i];
    sum_[i] = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
}

void SetDigest::remove(const SetDigest& part) {
  unsigned borrow = 0;
  for (std::size_t i = 0; i < sum_.size(); ++i) {
    const unsigned taken = unsigned{part.sum_[i]} + borrow;
    borrow = sum_[i] < taken ? 1 : 0;
    sum_[i] = static_cast<std::uint8_t>(sum_[i] - taken);
  }
}

SetDigest SetDigest::from(const Digest& value) {
  SetDigest set;
  set.sum_ = value;
  return set;
}

}  // namespace mt
