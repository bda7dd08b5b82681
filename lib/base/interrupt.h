// How a signal reaches long loops: the program's handler stores its number, the library asks at safe points.
#pragma once

#include <exception>

namespace mt {

// Thrown at a safe point after a signal asked to stop. Programs finish their clean-up and die of that signal.
class Interrupted : public std::exception {
 public:
  explicit Interrupted(int signal) : signal_(signal) {}
  int signal() const { return signal_; }
  const char* what() const noexcept override { return "interrupted"; }

 private:
  int signal_;
};

void request_interrupt(int signal) noexcept;  // async-signal-safe; 0 withdraws the request
int requested_interrupt() noexcept;           // 0: none
void throw_if_interrupted();

}  // namespace mt
