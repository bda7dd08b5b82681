#include "decode/dicom_codecs.h"

#include "base/error.h"

#ifdef MT_HAVE_DCMTK

#include <memory>

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmdata/dcdatset.h>
#include <dcmtk/dcmdata/dcdeftag.h>
#include <dcmtk/dcmdata/dcpixel.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dcrledrg.h>
#include <dcmtk/dcmdata/dcxfer.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>
#include <dcmtk/oflog/oflog.h>
#include <fmt/format.h>

namespace mt::formats {

namespace {

// DCMTK's logger and codecs belong to the process. The logger would print; errors come back as conditions all the same.
struct Codecs {
  Codecs() {
    OFLog::configure(OFLogger::OFF_LOG_LEVEL);
    DJDecoderRegistration::registerCodecs();
    DJLSDecoderRegistration::registerCodecs();
    DcmRLEDecoderRegistration::registerCodecs();
  }
  ~Codecs() {
    DcmRLEDecoderRegistration::cleanup();
    DJLSDecoderRegistration::cleanup();
    DJDecoderRegistration::cleanup();
  }
};
void prepare_dcmtk() { static const Codecs codecs; }

void put(DcmDataset& data, const DcmTagKey& tag, std::uint16_t value) {
  if (data.putAndInsertUint16(tag, value).bad()) throw std::bad_alloc();
}

// A data set of nothing but what the codecs ask for.
void fill(DcmDataset& data, const DicomFrame& frame, E_TransferSyntax syntax,
          const std::vector<std::span<const std::byte>>& parts) {
  put(data, DCM_SamplesPerPixel, frame.samples);
  put(data, DCM_Rows, frame.rows);
  put(data, DCM_Columns, frame.columns);
  put(data, DCM_BitsAllocated, frame.bits_allocated);
  put(data, DCM_BitsStored, frame.bits_stored);
  put(data, DCM_HighBit, frame.high_bit);
  put(data, DCM_PixelRepresentation, frame.is_signed ? 1 : 0);
  if (frame.samples > 1) put(data, DCM_PlanarConfiguration, frame.planes_apart ? 1 : 0);
  data.putAndInsertString(DCM_PhotometricInterpretation, frame.photometric.c_str());
  auto sequence = std::make_unique<DcmPixelSequence>(DCM_PixelSequenceTag);
  sequence->insert(new DcmPixelItem(DCM_PixelItemTag));  // the table of offsets, empty; the sequence owns its items
  for (const auto part : parts) {
    auto item = std::make_unique<DcmPixelItem>(DCM_PixelItemTag);
    item->putUint8Array(reinterpret_cast<const Uint8*>(part.data()), static_cast<unsigned long>(part.size()));
    sequence->insert(item.release());
  }
  auto pixels = std::make_unique<DcmPixelData>(DCM_PixelData);
  pixels->putOriginalRepresentation(syntax, nullptr, sequence.release());
  data.insert(pixels.release());
}

}  // namespace

std::vector<std::byte> decompress_dicom_frame(DicomFrame& frame, const std::string& transfer_syntax,
                                              const std::vector<std::span<const std::byte>>& parts,
                                              std::string_view name) {
  prepare_dcmtk();
  const DcmXfer syntax(transfer_syntax.c_str());
  DcmDataset data;
  fill(data, frame, syntax.getXfer(), parts);
  const OFCondition decoded = data.chooseRepresentation(EXS_LittleEndianExplicit, nullptr);
  if (decoded.bad()) {
    throw Error(
        name,
        fmt::format("the DICOM file's pixels ({}) cannot be decompressed: {}", syntax.getXferName(), decoded.text()),
        "decompress it with dcmdjpeg or gdcmconv --raw");
  }
  Uint16 apart = 0;
  if (data.findAndGetUint16(DCM_PlanarConfiguration, apart).good()) frame.planes_apart = apart == 1;
  DcmElement* element = nullptr;
  const void* values = nullptr;
  if (data.findAndGetElement(DCM_PixelData, element).good()) {
    Uint8* bytes = nullptr;
    Uint16* words = nullptr;
    if (element->getUint8Array(bytes).good())
      values = bytes;
    else if (element->getUint16Array(words).good())
      values = words;
  }
  if (values == nullptr)
    throw Error(name, "the DICOM file's pixels vanished in decompression", "decompress it with dcmdjpeg");
  const auto* first = static_cast<const std::byte*>(values);
  return {first, first + element->getLength()};
}

}  // namespace mt::formats

#else

namespace mt::formats {

std::vector<std::byte> decompress_dicom_frame(DicomFrame&, const std::string&,
                                              const std::vector<std::span<const std::byte>>&, std::string_view name) {
  throw Error(name, "is a compressed DICOM file, which this build cannot read", "install libdcmtk-dev and build again");
}

}  // namespace mt::formats

#endif
