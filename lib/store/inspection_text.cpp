#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "base/tensor.h"
#include "base/text.h"
#include "store/inspection.h"

namespace mt {

namespace {

std::string text_of(const Inspection& value) {
  return value.is_string() ? printable(value.get<std::string>())
                           : printable(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

// Values of a configuration on one line each; long lists end with how long they are.
std::string shortened(const Inspection& value) {
  constexpr std::size_t kShown = 8, kCharacters = 160;
  if (value.is_array() && value.size() > kShown) {
    std::string text = "[";
    for (std::size_t i = 0; i < kShown; ++i) text += text_of(value[i]) + ", ";
    return text + fmt::format("... {} values]", value.size());
  }
  std::string text = text_of(value);
  if (text.size() > kCharacters) text = printable(text.substr(0, kCharacters)) + "...";
  return text;
}

std::string shape_text(const Inspection& shape) { return to_string(shape.get<Shape>()); }

void line(std::string& out, std::string_view key, std::string_view value) {
  out += fmt::format("  {:<14} {}\n", key, value);
}

void config_lines(std::string& out, std::string_view& title, const Inspection& config, const std::string& prefix) {
  for (const auto& [key, value] : config.items()) {
    if (value.is_object() && !value.empty()) {
      config_lines(out, title, value, prefix + key + ".");
    } else {
      line(out, title, fmt::format("{} = {}", printable(prefix + key), shortened(value)));
      title = "";
    }
  }
}

// The title stands before the first line.
void config_block(std::string& out, std::string_view title, const Inspection& config) {
  config_lines(out, title, config, "");
}

std::string statistics_text(const Inspection& s) {
  std::string text = fmt::format("mean {:.6g}, deviation {:.6g}, min {:.6g}, max {:.6g}", s["mean"].get<double>(),
                                 s["deviation"].get<double>(), s["min"].get<double>(), s["max"].get<double>());
  return text + fmt::format(", {} NaN, {} infinite", s["nan"].get<std::uint64_t>(), s["infinite"].get<std::uint64_t>());
}

bool holds_tensors(const Inspection& inspection) { return inspection.contains("parts"); }

std::string size_text(const Inspection& inspection) {
  return inspection["bytes"].is_null() ? "" : ", " + human_bytes(inspection["bytes"].get<std::uint64_t>());
}

std::string title(const Inspection& i) {
  const std::string file = i["file"] == "-" ? "standard input" : printable(i["file"].get<std::string>());
  const std::string kind = i["kind"].get<std::string>();
  if (holds_tensors(i)) {
    std::string parts;
    std::size_t tensors = 0;
    for (const Inspection& part : i["parts"]) {
      if (part["name"] != "") parts += (parts.empty() ? " with " : ", ") + printable(part["name"].get<std::string>());
      tensors += part["tensors"].size();
    }
    return fmt::format("{}: {}{}{}, {} tensors, {} parameters{}", file,
                       kind == "model" ? "" : i["container"].get<std::string>() + " ", kind, parts, tensors,
                       i["parameters"].get<std::uint64_t>(), size_text(i));
  }
  const std::string modality = i["modality"].get<std::string>();
  const Inspection* rows = nullptr;
  for (const Inspection& set : i["datasets"]) {
    if (set["name"] == "/" + kind) rows = &set;
  }
  std::string text =
      fmt::format("{}: {}{}, {} samples", file, kind, modality.empty() ? "" : " of " + printable(modality),
                  i["samples"].get<std::uint64_t>());
  if (rows != nullptr)
    text += fmt::format(", {} {}", shape_text((*rows)["shape"]), (*rows)["dtype"].get<std::string>());
  text += size_text(i);
  if (i["container"] == "journal")
    text += ", a journal: these samples are sealed";
  else if (!i["complete"].get<bool>())
    text += ", cut";
  if (i.contains("verified")) text += ", verified";
  return text;
}

void label_lines(std::string& out, const Inspection& labels) {
  constexpr std::size_t kShown = 40;
  const Inspection& classes = labels["classes"];
  line(out, "labels", fmt::format("{} classes, {} unknown", classes.size(), labels["unknown"].get<std::uint64_t>()));
  std::size_t shown = 0;
  for (const auto& [name, count] : classes.items()) {
    if (++shown > kShown) break;
    line(out, "", fmt::format("{:>9}  {}", count.get<std::uint64_t>(), printable(name)));
  }
  if (classes.size() > kShown)
    line(out, "", fmt::format("... {} classes more; --json has all", classes.size() - kShown));
}

std::string sample_text(const Inspection& i) {
  std::string out = title(i) + "\n";
  if (i["creator"] != "") line(out, "made by", text_of(i["creator"]));
  if (i.contains("cut")) line(out, "ends early", text_of(i["cut"]));
  for (const Inspection& set : i["datasets"]) {
    line(out, set["name"].get<std::string>(),
         fmt::format("{} {}", shape_text(set["shape"]), set["dtype"].get<std::string>()));
  }
  if (i.contains("checksums") && !i["checksums"].get<bool>())
    line(out, "checksums", "none: flipped bits would not be noticed");
  if (i.contains("tokens")) {
    const Inspection& tokens = i["tokens"];
    line(out, "tokens",
         fmt::format("prefix {}, positions {}, pre-norm {}", tokens["prefix"].get<std::uint64_t>(),
                     tokens["positions"].get<bool>() ? "applied" : "not applied",
                     tokens["pre_norm"].get<bool>() ? "applied" : "not applied"));
    if (tokens["source"] != "") line(out, "source", text_of(tokens["source"]));
  }
  if (i.contains("rows_per_sample")) {
    const Inspection& rows = i["rows_per_sample"];
    line(out, "rows a sample",
         fmt::format("{} to {}, mean {:.6g}", rows["min"].get<std::uint64_t>(), rows["max"].get<std::uint64_t>(),
                     rows["mean"].get<double>()));
  }
  if (i.contains("labels")) label_lines(out, i["labels"]);
  if (i["rejected"] != 0) line(out, "rejected", text_of(i["rejected"]));
  if (i.contains("statistics")) line(out, "statistics", statistics_text(i["statistics"]));
  config_block(out, "config", i["config"]);
  if (i.contains("inputs")) line(out, "inputs", text_of(i["inputs"]));
  return out;
}

std::string tensor_text(const Inspection& i) {
  std::string out = title(i) + "\n";
  config_block(out, "metadata", i["metadata"]);
  for (const Inspection& part : i["parts"]) {
    if (part["name"] != "") {
      out += fmt::format("{}: {} parameters\n", printable(part["name"].get<std::string>()),
                         part["parameters"].get<std::uint64_t>());
      line(out, "digest", text_of(part["digest"]));
      config_block(out, "config", part["config"]);
    }
    std::size_t width = 0;
    for (const Inspection& tensor : part["tensors"]) width = std::max(width, text_of(tensor["name"]).size());
    for (const Inspection& tensor : part["tensors"]) {
      out += fmt::format("  {:<{}}  {} {}", text_of(tensor["name"]), width, shape_text(tensor["shape"]),
                         tensor["dtype"].get<std::string>());
      if (tensor.contains("statistics")) out += "  " + statistics_text(tensor["statistics"]);
      out += '\n';
    }
  }
  return out;
}

}  // namespace

std::string inspection_text(const Inspection& inspection) {
  return holds_tensors(inspection) ? tensor_text(inspection) : sample_text(inspection);
}

std::string inspection_line(const Inspection& inspection) { return title(inspection) + "\n"; }

}  // namespace mt
