// The part of inspection.h that is about sample files and streams.
#pragma once

#include <filesystem>
#include <string>

#include "store/inspection.h"

namespace mt {

Inspection inspect_sample_file(const std::filesystem::path& path, const InspectOptions& options, Progress& progress);
// name: a path or "-". Read to the end; a stream that was cut is no error but incomplete.
Inspection inspect_sample_stream(const std::string& name, const InspectOptions& options, Progress& progress);

Inspection statistics_json(const class ValueStatistics& statistics);

}  // namespace mt
