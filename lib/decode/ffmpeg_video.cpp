// Videos through FFmpeg's libraries (5.1 and later). The demuxer sees one file through our own reader and may open no
// other, whatever a playlist or a reference movie names.
#include "base/error.h"
#include "decode/image_formats.h"
#include "decode/video.h"

#ifdef MT_HAVE_FFMPEG

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>
#include <optional>

#include <fmt/format.h>

#include "base/interrupt.h"

namespace mt::formats {

namespace {

constexpr int kBuffer = 1 << 16;
constexpr std::size_t kBlock = 64;  // bytes that a row of pixels is padded to, and by at least
// The most, either way, that a frame's time and duration may be, in the units of its stream: their sums and differences
// stay within 64 bits.
constexpr std::int64_t kLatest = std::int64_t{1} << 60;
// Containers that hold one video in one file.
constexpr const char* kContainers =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,ogg,asf,h264,hevc,ivf,m4v,nut,mxf,rm,dv,wtv";

template <class T, void (*Free)(T**)>
struct FreeWith {
  void operator()(T* p) const { Free(&p); }
};
using Packet = std::unique_ptr<AVPacket, FreeWith<AVPacket, av_packet_free>>;
using Frame = std::unique_ptr<AVFrame, FreeWith<AVFrame, av_frame_free>>;
using Codec = std::unique_ptr<AVCodecContext, FreeWith<AVCodecContext, avcodec_free_context>>;
struct FreeScaler {
  void operator()(SwsContext* p) const { sws_freeContext(p); }
};

// The source as FFmpeg reads it.
struct Reader {
  ByteSource* source;
  std::int64_t at = 0;
};

int read_some(void* opaque, std::uint8_t* out, int count) {
  auto& reader = *static_cast<Reader*>(opaque);
  try {
    const std::size_t got = reader.source->read(static_cast<std::uint64_t>(reader.at),
                                                {reinterpret_cast<std::byte*>(out), static_cast<std::size_t>(count)});
    reader.at += static_cast<std::int64_t>(got);
    return got == 0 ? AVERROR_EOF : static_cast<int>(got);
  } catch (const Error&) {
    return AVERROR(EIO);
  }
}

std::int64_t seek_to(void* opaque, std::int64_t offset, int whence) {
  auto& reader = *static_cast<Reader*>(opaque);
  const auto size = static_cast<std::int64_t>(reader.source->size());
  if ((whence & AVSEEK_SIZE) != 0) return size;
  const int from = whence & ~AVSEEK_FORCE;
  const std::int64_t base = from == SEEK_CUR ? reader.at : from == SEEK_END ? size : 0;
  std::int64_t target = 0;
  if (__builtin_add_overflow(base, offset, &target) || target < 0) return AVERROR(EINVAL);
  return reader.at = target;
}

int refuse_to_open(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) { return AVERROR(EACCES); }

std::string reason_of(int code) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  av_strerror(code, text.data(), text.size());
  return text.data();
}

// A demuxer over a source.
class Container {
 public:
  Container(ByteSource& source, const std::string& name) : reader_{&source} {
    static std::once_flag quiet;
    std::call_once(quiet, [] { av_log_set_level(AV_LOG_QUIET); });
    auto* buffer = static_cast<unsigned char*>(av_malloc(kBuffer));
    io_ = avio_alloc_context(buffer, kBuffer, 0, &reader_, read_some, nullptr, seek_to);
    AVFormatContext* context = avformat_alloc_context();
    context->pb = io_;
    context->flags |= AVFMT_FLAG_CUSTOM_IO;
    context->io_open = refuse_to_open;
    context->format_whitelist = av_strdup(kContainers);
    int code = avformat_open_input(&context, nullptr, nullptr, nullptr);  // frees context when it fails
    if (code >= 0) {
      context_ = context;
      code = avformat_find_stream_info(context_, nullptr);
    }
    if (code < 0) {
      close();
      throw Error(name, fmt::format("is no video that FFmpeg reads: {}", reason_of(code)),
                  "MP4, MKV, WebM, AVI, MPEG and Ogg are read, Y4M and GIF");
    }
  }
  ~Container() { close(); }
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;
  AVFormatContext* get() const { return context_; }

 private:
  void close() {
    if (context_ != nullptr) avformat_close_input(&context_);
    if (io_ != nullptr) av_freep(&io_->buffer);
    avio_context_free(&io_);
  }
  Reader reader_;
  AVIOContext* io_ = nullptr;
  AVFormatContext* context_ = nullptr;
};

// What one packet says of a frame: time in the stream's units, and whether decoding can start there.
struct Entry {
  std::int64_t time;
  bool key;
};

// The times that the demuxer states, and beside them the stream's own units for finding frames again.
struct FfmpegTimes : VideoTimes {
  std::vector<Entry> entries;  // [frames], in the order of display
  bool cut = false;
};

class FfmpegVideo final : public Video {
 public:
  FfmpegVideo(std::unique_ptr<ByteSource> source, std::string name, const VideoLimits& limits,
              const std::shared_ptr<const VideoTimes>& times)
      : source_(std::move(source)), name_(std::move(name)), limits_(limits) {
    open();
    times_ = std::dynamic_pointer_cast<const FfmpegTimes>(times);
    if (!times_) {
      times_ = find_frames();
      open();  // from the start again
    }
    check_extent(static_cast<std::uint64_t>(std::max(stream_->codecpar->width, 0)),
                 static_cast<std::uint64_t>(std::max(stream_->codecpar->height, 0)), 3,
                 static_cast<std::size_t>(source_->size()), name_, limits_.frame);
  }

  std::shared_ptr<const VideoTimes> times() const override { return times_; }

  Image frame(std::size_t i) override {
    const std::int64_t wanted = times_->entries.at(i).time;
    if (shown_ && at_ > wanted) open();
    leap_towards(i);
    // A frame is shown until the next one: the last that is not later than what is wanted.
    while (!next_ || next_time_ <= wanted) {
      if (next_) {
        std::swap(shown_, next_);
        at_ = next_time_;
        next_.reset();
        if (at_ == wanted) break;
      }
      if (!decode_next()) break;
    }
    if (!shown_ && next_) {  // the first frame is later: nothing else can be shown
      std::swap(shown_, next_);
      at_ = next_time_;
    }
    if (!shown_) throw Error(name_, fmt::format("frame {} of {} cannot be decoded", i, times_->starts.size()));
    if (!limits_.salvage) require_sound(i);
    return converted(*shown_);
  }

 private:
  void open() {
    codec_.reset();
    shown_.reset();
    next_.reset();
    drained_ = draining_ = false;
    container_.emplace(*source_, name_);
    AVFormatContext* const context = container_->get();
    const AVCodec* decoder = nullptr;
    index_ = av_find_best_stream(context, AVMEDIA_TYPE_VIDEO, -1, -1, &decoder, 0);
    if (index_ < 0 || decoder == nullptr) {
      throw Error(name_, index_ == AVERROR_DECODER_NOT_FOUND ? "holds a video that this FFmpeg cannot decode"
                                                             : "holds no video");
    }
    stream_ = context->streams[index_];
    for (unsigned i = 0; i < context->nb_streams; ++i) {
      if (static_cast<int>(i) != index_) context->streams[i]->discard = AVDISCARD_ALL;
    }
    codec_.reset(avcodec_alloc_context3(decoder));
    if (!codec_) throw std::bad_alloc();
    int code = avcodec_parameters_to_context(codec_.get(), stream_->codecpar);
    codec_->pkt_timebase = stream_->time_base;
    codec_->thread_count = 1;  // samples are what runs side by side
    codec_->max_pixels = static_cast<std::int64_t>(limits_.frame.max_pixels);
    if (code >= 0) code = avcodec_open2(codec_.get(), decoder, nullptr);
    if (code < 0) throw Error(name_, fmt::format("its video cannot be decoded: {}", reason_of(code)));
  }

  double seconds(std::int64_t time) const { return static_cast<double>(time) * av_q2d(stream_->time_base); }

  // Reads all packets, decodes none.
  std::shared_ptr<const FfmpegTimes> find_frames() {
    auto found = std::make_shared<FfmpegTimes>();
    std::int64_t packets = 0, longest = 0, last_duration = 0;
    const Packet packet(av_packet_alloc());
    bool damaged = false;
    for (std::size_t count = 0;; ++count) {
      if (count % 1024 == 0) throw_if_interrupted();
      const int code = av_read_frame(container_->get(), packet.get());
      if (code < 0) {
        damaged = damaged || (code != AVERROR_EOF);
        break;
      }
      if (packet->stream_index == index_) ++packets;
      if (packet->stream_index == index_ && (packet->flags & AV_PKT_FLAG_DISCARD) == 0) {
        damaged = damaged || (packet->flags & AV_PKT_FLAG_CORRUPT) != 0;
        std::int64_t time = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
        if (time == AV_NOPTS_VALUE)
          time = found->entries.empty() ? 0 : found->entries.back().time + std::max<std::int64_t>(last_duration, 1);
        last_duration = std::clamp<std::int64_t>(packet->duration, 0, kLatest);
        if (time < -kLatest || time > kLatest) {
          damaged = true;
          av_packet_unref(packet.get());
          continue;
        }
        if (found->entries.size() == limits_.max_frames)
          throw Error(name_, fmt::format("has more than {} frames", limits_.max_frames));
        found->entries.push_back({time, (packet->flags & AV_PKT_FLAG_KEY) != 0});
        longest = std::max(longest, last_duration);
      }
      av_packet_unref(packet.get());
    }
    if (found->entries.empty()) throw Error(name_, "has no frames");
    // Some headers count a little too far.
    const std::int64_t declared = stream_->nb_frames;
    found->cut = damaged || packets < declared - declared / 50 - 1;
    if (found->cut && !limits_.salvage) {
      throw Error(name_,
                  fmt::format("is cut or damaged behind frame {}{}", found->entries.size() - 1,
                              declared > 0 ? fmt::format(" of {}", declared) : std::string()),
                  "copy it again, or --salvage");
    }
    std::stable_sort(found->entries.begin(), found->entries.end(),
                     [](const Entry& a, const Entry& b) { return a.time < b.time; });
    const std::int64_t first = found->entries.front().time;
    for (const Entry& entry : found->entries) found->starts.push_back(seconds(entry.time - first));
    const std::size_t n = found->starts.size();
    double last = seconds(last_duration > 0 ? last_duration : longest);
    if (!(last > 0)) last = n > 1 ? found->starts.back() / static_cast<double>(n - 1) : 1;
    found->duration = found->starts.back() + last;
    return found;
  }

  // Starts decoding at a key frame, when one lies between what was decoded last and what is wanted.
  void leap_towards(std::size_t i) {
    std::size_t key = i;
    while (key > 0 && !times_->entries[key].key) --key;
    const std::int64_t target = times_->entries[key].time;
    if (key == 0 || leaps_fail_ || (next_ && next_time_ >= target) || (shown_ && at_ >= target)) return;
    if (av_seek_frame(container_->get(), index_, target, AVSEEK_FLAG_BACKWARD) < 0) return;
    avcodec_flush_buffers(codec_.get());
    shown_.reset();
    next_.reset();
    drained_ = draining_ = false;
    // A container that lands behind what was asked for is read from the start.
    if (!decode_next() || next_time_ > target) {
      leaps_fail_ = true;
      open();
    }
  }

  // The next frame in the order of display to next_; false behind the last.
  bool decode_next() {
    const Packet packet(av_packet_alloc());
    Frame frame(av_frame_alloc());
    while (!drained_) {
      const int code = avcodec_receive_frame(codec_.get(), frame.get());
      if (code >= 0) {
        next_time_ = frame->best_effort_timestamp;
        if (next_time_ == AV_NOPTS_VALUE) next_time_ = shown_ ? at_ + 1 : times_->entries.front().time;
        next_time_ = std::clamp(next_time_, -kLatest, kLatest);
        next_ = std::move(frame);
        return true;
      }
      if (code != AVERROR_EOF && code != AVERROR(EAGAIN)) refuse(code);
      if (draining_)
        drained_ = true;
      else
        feed(packet.get());
    }
    return false;
  }

  void feed(AVPacket* packet) {
    for (;;) {
      if (av_read_frame(container_->get(), packet) < 0) {
        draining_ = true;
        avcodec_send_packet(codec_.get(), nullptr);
        return;
      }
      if (packet->stream_index == index_) break;
      av_packet_unref(packet);
    }
    const int code = avcodec_send_packet(codec_.get(), packet);
    av_packet_unref(packet);
    if (code < 0 && code != AVERROR(EAGAIN)) refuse(code);
  }

  void refuse(int code) const {
    if (limits_.salvage) return;
    throw Error(name_, fmt::format("is damaged: {}", reason_of(code)), "copy it again, or --salvage");
  }

  void require_sound(std::size_t i) const {
    if ((shown_->flags & AV_FRAME_FLAG_CORRUPT) == 0 && shown_->decode_error_flags == 0) return;
    throw Error(name_, fmt::format("frame {} of {} is damaged", i, times_->starts.size()),
                "copy it again, or --salvage");
  }

  // RGB as ffmpeg's own scale filter makes it.
  Image converted(const AVFrame& frame) {
    check_extent(static_cast<std::uint64_t>(frame.width), static_cast<std::uint64_t>(frame.height), 3,
                 static_cast<std::size_t>(source_->size()), name_, limits_.frame);
    const auto format = static_cast<AVPixelFormat>(frame.format);
    scaler_.reset(sws_getCachedContext(scaler_.release(), frame.width, frame.height, format, frame.width, frame.height,
                                       AV_PIX_FMT_RGB24, SWS_BICUBIC, nullptr, nullptr, nullptr));
    if (!scaler_) {
      const char* pixels = av_get_pix_fmt_name(format);
      throw Error(name_, fmt::format("has pixels of the kind {}, which swscale cannot turn into RGB",
                                     pixels == nullptr ? "unknown" : pixels));
    }
    const bool full = frame.color_range == AVCOL_RANGE_JPEG;
    const int* const matrix =
        sws_getCoefficients(frame.colorspace == AVCOL_SPC_UNSPECIFIED ? SWS_CS_DEFAULT : frame.colorspace);
    sws_setColorspaceDetails(scaler_.get(), matrix, full ? 1 : 0, matrix, 0, 0, 1 << 16, 1 << 16);

    Image image =
        blank_image(DType::u8, static_cast<std::size_t>(frame.height), static_cast<std::size_t>(frame.width), 3);
    // swscale works in whole blocks: where rows follow each other closely it leaves the last pixels of each out, or
    // writes over the end of the picture.
    const std::size_t row_bytes = image.width() * 3, stride = (row_bytes / kBlock + 2) * kBlock;
    if (padded_.shape() != Shape{image.height() + 1, stride}) padded_ = Tensor(DType::u8, {image.height() + 1, stride});
    std::uint8_t* const planes[] = {padded_.as<std::uint8_t>().data(), nullptr, nullptr, nullptr};
    const int strides[] = {static_cast<int>(stride), 0, 0, 0};
    sws_scale(scaler_.get(), frame.data, frame.linesize, 0, frame.height, planes, strides);
    for (std::size_t row = 0; row < image.height(); ++row) {
      std::memcpy(image.pixels.mutable_data() + row * row_bytes, padded_.data() + row * stride, row_bytes);
    }
    image.orientation = orientation();
    return image;
  }

  // The display matrix as an EXIF orientation.
  int orientation() const {
    const std::int32_t* matrix = nullptr;
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
    const AVPacketSideData* const side = av_packet_side_data_get(
        stream_->codecpar->coded_side_data, stream_->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
    if (side != nullptr && side->size >= 36) matrix = reinterpret_cast<const std::int32_t*>(side->data);
#else
    std::size_t size = 0;
    const std::uint8_t* const side = av_stream_get_side_data(stream_, AV_PKT_DATA_DISPLAYMATRIX, &size);
    if (side != nullptr && size >= 36) matrix = reinterpret_cast<const std::int32_t*>(side);
#endif
    if (matrix == nullptr) return 1;
    const double turned = -av_display_rotation_get(matrix);  // clockwise
    if (!std::isfinite(turned)) return 1;
    switch ((static_cast<int>(std::lround(turned / 90)) % 4 + 4) % 4) {
      case 1:
        return 6;
      case 2:
        return 3;
      case 3:
        return 8;
      default:
        return 1;
    }
  }

  std::unique_ptr<ByteSource> source_;
  std::string name_;
  VideoLimits limits_;
  std::optional<Container> container_;
  Codec codec_;
  AVStream* stream_ = nullptr;
  int index_ = -1;
  std::shared_ptr<const FfmpegTimes> times_;
  std::unique_ptr<SwsContext, FreeScaler> scaler_;
  Tensor padded_;       // the rows of a converted frame
  Frame shown_, next_;  // the frame shown at `at_`, and the one behind it where it is decoded already
  std::int64_t at_ = 0, next_time_ = 0;
  bool draining_ = false, drained_ = false, leaps_fail_ = false;
};

}  // namespace

std::unique_ptr<Video> open_ffmpeg(std::unique_ptr<ByteSource> source, std::string name, const VideoLimits& limits,
                                   const std::shared_ptr<const VideoTimes>& times) {
  return std::make_unique<FfmpegVideo>(std::move(source), std::move(name), limits, times);
}

}  // namespace mt::formats

#else

namespace mt::formats {
std::unique_ptr<Video> open_ffmpeg(std::unique_ptr<ByteSource>, std::string name, const VideoLimits&,
                                   const std::shared_ptr<const VideoTimes>&) {
  throw Error(name, "is a video that only FFmpeg reads, which this build lacks",
              "install libavformat-dev, libavcodec-dev, libswscale-dev and build again; Y4M and GIF are read without");
}
}  // namespace mt::formats

#endif
