// The one error type. Thrown where the fact is known; context is added on the way up, never replaced.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace mt {

// A fact about the user's world (a file, an option, a disk), never a bug of ours: those are std::logic_error.
// what() reads "where: why (what to do)".
class Error : public std::runtime_error {
 public:
  // where: the user's own name for it (file, row, option). why: both sides of the mismatch, with numbers.
  // remedy: an action that exists; may be empty.
  Error(std::string_view where, std::string_view why, std::string_view remedy = {});

  const std::string& where() const { return where_; }
  const std::string& why() const { return why_; }
  const std::string& remedy() const { return remedy_; }

  // The same error seen from one level further out: "context: where: why (what to do)".
  Error within(std::string_view context) const;

 private:
  std::string where_, why_, remedy_;
};

// A command that cannot be meant (exit status 2). Otherwise like Error.
class UsageError : public Error {
 public:
  using Error::Error;
};

// A failed system call: why is "could not VERB: strerror(errno_value)".
Error system_error(std::string_view where, std::string_view verb, int errno_value, std::string_view remedy = {});

}  // namespace mt
