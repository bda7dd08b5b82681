#include "base/error.h"

#include <cstring>

#include "base/text.h"

namespace mt {

namespace {

std::string sentence(std::string_view where, std::string_view why, std::string_view remedy) {
  std::string text;
  if (!where.empty()) text = printable(where) + ": ";
  text += printable(why);
  if (!remedy.empty()) text += " (" + printable(remedy) + ")";
  return text;
}

}  // namespace

Error::Error(std::string_view where, std::string_view why, std::string_view remedy)
    : std::runtime_error(sentence(where, why, remedy)), where_(where), why_(why), remedy_(remedy) {}

Error Error::within(std::string_view context) const {
  return Error(where_.empty() ? std::string(context) : std::string(context) + ": " + where_, why_, remedy_);
}

Error system_error(std::string_view where, std::string_view verb, int errno_value, std::string_view remedy) {
  return Error(where, "could not " + std::string(verb) + ": " + std::strerror(errno_value), remedy);
}

}  // namespace mt
