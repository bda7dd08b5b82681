#include "store/checkpoint.h"

#include <memory>
#include <string_view>

#include <fmt/format.h>

#include "base/error.h"
#include "base/files.h"
#include "store/npz.h"
#include "store/pytorch.h"
#include "store/safetensors.h"
#include "store/zip.h"

namespace mt {

namespace {

// What people have in their hands instead of a checkpoint, and what to do about it.
struct Mistake {
  std::string_view start, why, remedy;
};
constexpr Mistake kMistakes[] = {
    {"\x89HDF\r\n", "is an HDF5 file, not a checkpoint of another program", "see what it holds with mt-inspect"},
    {"version https://git-lfs", "is a Git LFS pointer, not the file itself", "fetch it with: git lfs pull"},
    {"<!DOCTYPE", "is a web page, not a checkpoint", "download it again; the page may ask for a confirmation"},
    {"<!doctype", "is a web page, not a checkpoint", "download it again; the page may ask for a confirmation"},
    {"<html", "is a web page, not a checkpoint", "download it again; the page may ask for a confirmation"},
    {"GGUF", "is a GGUF file, which is not read", "use the original .safetensors or .pth"},
    {"\x1f\x8b", "is compressed with gzip", "unpack it with gunzip"},
    {"\x80", "is a bare Python pickle, not a PyTorch file", "save it with torch.save(model.state_dict(), FILE)"},
};

Checkpoint read_npz(const std::shared_ptr<const MappedFile>& file, const std::string& where) {
  const Npz npz(file, where);
  Checkpoint checkpoint;
  checkpoint.container = "npz";
  for (const std::string& name : npz.names()) checkpoint.tensors.emplace(name, npz.read(name));
  return checkpoint;
}

Checkpoint read_zip(const std::shared_ptr<const MappedFile>& file, const std::string& where) {
  const ZipArchive archive(file->bytes(), where);
  if (const ZipEntry* pickle = pytorch_pickle_of(archive)) return read_pytorch_zip(file, archive, *pickle, where);
  for (const ZipEntry& entry : archive.entries()) {
    if (entry.name.ends_with(".npy")) return read_npz(file, where);
  }
  throw Error(where, "is a zip file, but holds neither data.pkl (PyTorch) nor .npy arrays");
}

}  // namespace

Checkpoint read_checkpoint(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  const std::string where = path.string();
  const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  if (text.starts_with("PK\x03\x04") || text.starts_with("PK\x05\x06")) return read_zip(file, where);
  if (looks_like_legacy_pytorch(file->bytes())) return read_legacy_pytorch(file, where);
  for (const Mistake& mistake : kMistakes) {
    if (text.starts_with(mistake.start)) throw Error(where, mistake.why, mistake.remedy);
  }
  if (looks_like_safetensors(file->bytes())) return read_safetensors(file, where);
  throw Error(where, "is not a checkpoint that is known", "known are PyTorch .pth and .pt, .safetensors and .npz");
}

}  // namespace mt
