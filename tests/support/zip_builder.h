// Zip archives made by hand, so that tests can make them wrong.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/digest.h"

namespace mt::test {

struct ZipMember {
  std::string name, content;
  bool deflate = false;     // as stored blocks: valid deflate without a compressor
  bool zip64 = false;       // sizes in the extra fields
  bool descriptor = false;  // sizes behind the content, zero in front of it
  std::uint16_t flags = 0;  // more of them
  int method = -1;          // instead of the true one
};

template <class T>
std::string little_endian(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

inline std::string deflated(const std::string& content) {
  std::string out;
  for (std::size_t at = 0; at < content.size() || at == 0; at += 65535) {
    const std::string block = content.substr(at, 65535);
    const auto size = static_cast<std::uint16_t>(block.size());
    out += at + 65535 >= content.size() ? '\1' : '\0';
    out += little_endian(size) + little_endian(static_cast<std::uint16_t>(~size)) + block;
    if (content.empty()) break;
  }
  return out;
}

inline std::uint32_t crc_of(const std::string& text) {
  return crc32_of(std::as_bytes(std::span(text.data(), text.size())));
}

inline std::string make_zip(const std::vector<ZipMember>& members, bool zip64_end = false) {
  std::string out, directory;
  for (const ZipMember& member : members) {
    const std::string packed = member.deflate ? deflated(member.content) : member.content;
    const std::uint64_t offset = out.size(), size = member.content.size(), packed_size = packed.size();
    const auto flags = static_cast<std::uint16_t>(member.flags | (member.descriptor ? 8 : 0));
    const auto method = static_cast<std::uint16_t>(member.method >= 0 ? member.method : member.deflate ? 8 : 0);
    const auto short_size = [&](std::uint64_t n) { return member.zip64 ? 0xFFFFFFFFU : static_cast<std::uint32_t>(n); };
    const auto name_size = static_cast<std::uint16_t>(member.name.size());
    const std::string both_sizes = little_endian(size) + little_endian(packed_size);
    const std::string extra =
        member.zip64 ? little_endian<std::uint16_t>(1) + little_endian<std::uint16_t>(16) + both_sizes : "";
    const std::string central_extra =
        member.zip64
            ? little_endian<std::uint16_t>(1) + little_endian<std::uint16_t>(24) + both_sizes + little_endian(offset)
            : "";
    const std::string common = little_endian(flags) + little_endian(method) + little_endian<std::uint32_t>(0x00210000);
    const std::string sizes = little_endian(crc_of(member.content)) + little_endian(short_size(packed_size)) +
                              little_endian(short_size(size));
    const std::string local_sizes = member.descriptor ? std::string(12, '\0') : sizes;
    const std::string local_extra = member.descriptor ? "" : extra;
    out += "PK\3\4" + little_endian<std::uint16_t>(45) + common + local_sizes + little_endian(name_size) +
           little_endian(static_cast<std::uint16_t>(local_extra.size())) + member.name + local_extra + packed;
    if (member.descriptor) out += "PK\7\10" + sizes;
    directory += "PK\1\2" + little_endian<std::uint16_t>(45) + little_endian<std::uint16_t>(45) + common + sizes +
                 little_endian(name_size) + little_endian(static_cast<std::uint16_t>(central_extra.size())) +
                 std::string(10, '\0') +
                 (member.zip64 ? little_endian(0xFFFFFFFFU) : little_endian(static_cast<std::uint32_t>(offset))) +
                 member.name + central_extra;
  }
  const std::uint64_t begin = out.size(), size = directory.size(), count = members.size();
  out += directory;
  if (zip64_end) {
    const std::uint64_t end = out.size();
    out += "PK\6\6" + little_endian<std::uint64_t>(44) + little_endian<std::uint32_t>(0x002D002D) +
           std::string(8, '\0') + little_endian(count) + little_endian(count) + little_endian(size) +
           little_endian(begin);
    out += "PK\6\7" + std::string(4, '\0') + little_endian(end) + little_endian<std::uint32_t>(1);
  }
  const auto short_count = static_cast<std::uint16_t>(zip64_end ? 0xFFFF : count);
  return out + "PK\5\6" + std::string(4, '\0') + little_endian(short_count) + little_endian(short_count) +
         little_endian(static_cast<std::uint32_t>(zip64_end ? 0xFFFFFFFF : size)) +
         little_endian(static_cast<std::uint32_t>(zip64_end ? 0xFFFFFFFF : begin)) + std::string(2, '\0');
}

}  // namespace mt::test
