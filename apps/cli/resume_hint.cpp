#include "cli/resume_hint.h"

#include <string>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"

namespace mt::cli {

void with_resume_hint(const SampleWriter& writer, Progress& progress, const std::function<void()>& work) {
  try {
    work();
  } catch (const Interrupted&) {
    if (!writer.journal().empty()) progress.note(fmt::format("stopped; --resume goes on from {}", writer.journal()));
    throw;
  } catch (const Error& error) {
    if (writer.journal().empty()) throw;
    const std::string separator = error.remedy().empty() ? "" : "; ";
    throw Error(error.where(), error.why(), error.remedy() + separator + "--resume goes on from " + writer.journal());
  }
}

}  // namespace mt::cli
