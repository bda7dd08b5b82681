// What to tell whoever's run failed: how to go on.
#pragma once

#include <functional>

#include "base/progress.h"
#include "store/sample_writer.h"

namespace mt::cli {

// Does the work. When it fails and the writer's journal holds sealed samples, the error (or a note, when a signal
// stopped it) says that --resume goes on from there.
void with_resume_hint(const SampleWriter& writer, Progress& progress, const std::function<void()>& work);

}  // namespace mt::cli
