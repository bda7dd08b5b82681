// Any text gives an Error, or a recording of finite or missing values, rising times and known classes.
#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "decode/series/calendar.h"
#include "decode/series/recording.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  mt::RecordingColumns columns;
  if (size % 3 == 1) columns.label = "label";
  if (size % 3 == 2) columns.time = "none";
  try {
    const mt::Recording recording = mt::parse_recording(text, "fuzz", columns, 10'000);
    if (recording.values.size() > size) std::abort();
    for (const float value : recording.values.as<float>()) {
      if (std::isinf(value)) std::abort();
    }
    for (std::size_t i = 0; i + 1 < recording.times_ms.size(); ++i) {
      if (recording.times_ms[i] >= recording.times_ms[i + 1]) std::abort();
      mt::calendar_features(recording.times_ms[i]);
      mt::time_text(recording.times_ms[i]);
    }
    for (const std::uint32_t label : recording.labels) {
      if (label >= recording.class_names.size()) std::abort();
    }
    recording.interval_ms();
  } catch (const mt::Error&) {  // refused
  }
  return 0;
}
