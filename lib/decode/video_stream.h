// A video on standard input.
#pragma once

#include "base/descriptor.h"
#include "decode/media_source.h"

namespace mt {

// Keeps the file behind a stream while it is read.
using VideoStream = Descriptor;

// Where inputs name "-": looks at standard input. A YUV4MPEG2 stream is written to a file without a name, because which
// frames are wanted depends on how many there are, and becomes the input "stdin.y4m" in the place of "-"; all else is
// a list of paths, and stays. Throws Error.
VideoStream take_video_stream(MediaSourceOptions& options);

}  // namespace mt
