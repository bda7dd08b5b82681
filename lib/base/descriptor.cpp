#include "base/descriptor.h"

#include <cstdlib>
#include <string>

namespace mt {

Descriptor unnamed_file(const std::filesystem::path& directory) {
  const int file = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0) return Descriptor(file);
  // Not every file system knows files without a name.
  std::string name = (directory / ".mt-XXXXXX").string();
  Descriptor named(::mkostemp(name.data(), O_CLOEXEC));
  if (named.get() < 0) throw system_error(directory.string(), "create a temporary file", errno);
  ::unlink(name.c_str());
  return named;
}

}  // namespace mt
