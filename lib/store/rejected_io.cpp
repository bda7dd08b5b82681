#include "store/rejected_io.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

#include "base/error.h"
#include "store/columns.h"

namespace mt {

namespace {

// At most kLongestReason bytes, cut between characters.
std::string_view shortened(std::string_view reason) {
  if (reason.size() <= kLongestReason) return reason;
  std::size_t end = kLongestReason;
  while (end > 0 && (static_cast<unsigned char>(reason[end]) & 0xC0) == 0x80) --end;
  return reason.substr(0, end);
}

struct Member {
  const char* name;
  const h5::Type& type;
};

// Members one after the other, without gaps.
h5::Type compound(std::initializer_list<Member> members) {
  std::size_t size = 0;
  for (const Member& member : members) size += H5Tget_size(member.type.get());
  h5::Type type(H5Tcreate(H5T_COMPOUND, size), "type", "create it");
  std::size_t at = 0;
  for (const Member& member : members) {
    h5::check(H5Tinsert(type.get(), member.name, at, member.type.get()), "type", "create it");
    at += H5Tget_size(member.type.get());
  }
  return type;
}

// The type of a text member in memory: as in the file.
h5::Type text_member(const h5::Type& type, const char* name, std::string_view where) {
  constexpr std::size_t kLongest = 1 << 16;
  const int number = H5Tget_member_index(type.get(), name);
  if (number < 0) throw Error(where, fmt::format("has no member {}", name));
  h5::Type member(H5Tget_member_type(type.get(), static_cast<unsigned>(number)), where, "read its type");
  if (H5Tget_class(member.get()) != H5T_STRING || H5Tget_size(member.get()) > kLongest) {
    throw Error(where, fmt::format("its {} is {}, expected a string of up to {} bytes", name,
                                   h5::describe(member.get()), kLongest));
  }
  return member;
}

std::string text_at(const std::byte* field, const h5::Type& type) {
  if (H5Tis_variable_str(type.get()) > 0) {
    const char* text = nullptr;
    std::memcpy(&text, field, sizeof text);
    return text == nullptr ? std::string() : std::string(text, strnlen(text, kLongestId + 1));
  }
  return h5::unpadded({reinterpret_cast<const char*>(field), H5Tget_size(type.get())}, H5Tget_strpad(type.get()));
}

Digest digest_at(const std::byte* field, const h5::Type& type, std::string_view where) {
  const std::string digits = text_at(field, type);
  if (digits.empty()) return {};
  try {
    return digest_from_hex(digits);
  } catch (const Error& error) {
    throw error.within(where);
  }
}

}  // namespace

h5::Type RejectedLayout::type() const {
  const h5::Lock lock;
  return compound({{"id", h5::text_type(id_bytes)},
                   {"index", h5::type_of(DType::i64)},
                   {"reason", h5::text_type(reason_bytes)},
                   {"content", h5::text_type(kContentBytes)}});
}

void RejectedLayout::widen(const Rejected& one) {
  id_bytes = std::max(id_bytes, one.id.size());
  reason_bytes = std::max(reason_bytes, shortened(one.reason).size());
}

void RejectedLayout::pack(const Rejected& one, std::span<std::byte> row) const {
  const std::string_view reason = shortened(one.reason);
  if (row.size() != row_bytes() || one.id.size() > id_bytes || reason.size() > reason_bytes) {
    throw std::logic_error("a rejected input does not fit its row");
  }
  std::memset(row.data(), 0, row.size());
  std::memcpy(row.data(), one.id.data(), one.id.size());
  std::memcpy(row.data() + id_bytes, &one.index, sizeof one.index);
  std::memcpy(row.data() + id_bytes + sizeof one.index, reason.data(), reason.size());
  if (one.content == Digest{}) return;
  const std::string content = hex(one.content);
  std::memcpy(row.data() + id_bytes + sizeof one.index + reason_bytes, content.data(), content.size());
}

std::vector<Rejected> read_rejected(const h5::Opened& opened, std::uint64_t begin, std::uint64_t end,
                                    std::string_view where) {
  const h5::Lock lock;
  const h5::Type stored(H5Dget_type(opened.dataset.get()), where, "read its type");
  if (H5Tget_class(stored.get()) != H5T_COMPOUND || opened.declared.extents.size() != 1) {
    throw Error(where, fmt::format("is {}, expected a list of (id, index, reason)", h5::describe(stored.get())));
  }
  const h5::Type id = text_member(stored, "id", where), reason = text_member(stored, "reason", where);
  if (H5Tget_member_index(stored.get(), "index") < 0) throw Error(where, "has no member index");
  const h5::Type index = h5::type_of(DType::i64);
  std::optional<h5::Type> content;
  if (H5Tget_member_index(stored.get(), "content") >= 0) content = text_member(stored, "content", where);
  if (content && H5Tis_variable_str(content->get()) > 0) throw Error(where, "its content is not of fixed length");
  const h5::Type memory = content ? compound({{"id", id}, {"index", index}, {"reason", reason}, {"content", *content}})
                                  : compound({{"id", id}, {"index", index}, {"reason", reason}});
  const std::size_t row_bytes = H5Tget_size(memory.get()), id_bytes = H5Tget_size(id.get());
  const std::size_t reason_at = id_bytes + sizeof(std::int64_t), content_at = reason_at + H5Tget_size(reason.get());
  const bool variable = H5Tis_variable_str(id.get()) > 0 || H5Tis_variable_str(reason.get()) > 0;
  const std::uint64_t step = std::max<std::uint64_t>((std::uint64_t{4} << 20) / row_bytes, 1);
  std::vector<Rejected> list;
  std::vector<std::byte> rows;
  for (std::uint64_t at = begin; at < end; at += step) {
    const std::uint64_t count = std::min(step, end - at);
    rows.assign(count * row_bytes, std::byte{0});
    h5::read_rows(opened.dataset, memory, at, count, rows.data(), where);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::byte* row = rows.data() + i * row_bytes;
      Rejected one;
      one.id = text_at(row, id);
      std::memcpy(&one.index, row + id_bytes, sizeof one.index);
      one.reason = std::string(shortened(text_at(row + reason_at, reason)));
      if (content) one.content = digest_at(row + content_at, *content, where);
      list.push_back(std::move(one));
    }
    if (variable) {
      const h5::Extents extents = {count};
      const h5::Space space(H5Screate_simple(1, extents.data(), nullptr), where, "read it");
      h5::check(H5Dvlen_reclaim(memory.get(), space.get(), H5P_DEFAULT, rows.data()), where, "read it");
    }
  }
  return list;
}

}  // namespace mt
