#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "evaluate/plots.h"
#include "evaluate/report.h"
#include "evaluate/svg.h"

namespace mt {

namespace {

using Out = std::back_insert_iterator<std::string>;

constexpr std::string_view kPageStyle =
    ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 "
    "1rem;"
    "background:#fff;color:#1b1f24}table{border-collapse:collapse;margin:.5rem 0}th,td{padding:.15rem .8rem .15rem 0;"
    "text-align:right;border-bottom:1px solid #d0d7de;font-variant-numeric:tabular-nums}th:first-child,td:first-child{"
    "text-align:left}svg{max-width:100%;height:auto}figure{margin:0;overflow-x:auto}.note{color:#59636e;font-size:.9em}"
    ".pair{display:flex;flex-wrap:wrap;gap:1rem}"
    "@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}th,td{border-color:#30363d}.note{color:#"
    "9198a1}}";

std::string number(const std::optional<double>& value) { return value ? fmt::format("{:.4f}", *value) : "\u2013"; }

std::string metric_rows(const ClassificationResult& result) {
  std::string html = "<table><tr><th>metric</th><th>value</th><th>low</th><th>high</th></tr>\n";
  for (const MetricResult& metric : result.metrics) {
    std::string name = metric.key;
    std::replace(name.begin(), name.end(), '_', ' ');
    fmt::format_to(Out(html), "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n", name, number(metric.value),
                   number(metric.interval ? std::optional(metric.interval->low) : std::nullopt),
                   number(metric.interval ? std::optional(metric.interval->high) : std::nullopt));
  }
  html += "</table>\n";
  if (result.bootstrap.resamples > 0) {
    fmt::format_to(Out(html), "<p class=\"note\">low, high: {:g} % intervals of {} bootstrap resamples, seed {}</p>\n",
                   100 * result.bootstrap.confidence, result.bootstrap.resamples, result.bootstrap.seed);
  }
  return html;
}

std::string class_rows(const ClassificationResult& result) {
  std::string html =
      "<table><tr><th>class</th><th>support</th><th>predicted</th><th>precision</th><th>recall</th><th>f1</th>"
      "<th>auroc</th><th>average precision</th></tr>\n";
  for (const ClassResult& one : result.classes) {
    fmt::format_to(Out(html),
                   "<tr><td>{}</td><td>{}</td><td>{}</td><td>{:.4f}</td><td>{:.4f}</td><td>{:.4f}</td><td>{}</"
                   "td><td>{}</td></tr>\n",
                   markup_escaped(one.name), one.support, one.predicted, one.precision, one.recall, one.f1,
                   number(one.area), number(one.average_precision));
  }
  return html + "</table>\n";
}

}  // namespace

std::string html_report(const ClassificationResult& result, const std::string& title, const Provenance& provenance) {
  std::vector<std::string> names;
  for (const ClassResult& one : result.classes) names.push_back(one.name);
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"><title>{0}</title><style>{1}</style></head>\n<body><h1>{0}</h1>\n"
      "<p>{2} samples, {3} with a label, {4} classes</p>\n",
      markup_escaped(title), kPageStyle, result.samples, result.labelled, result.classes.size());
  if (result.labelled > 0) {
    html += metric_rows(result);
    html += "<h2>Confusion matrix</h2>\n<figure>" + confusion_svg(result.confusion, names) + "</figure>\n";
    html += "<div class=\"pair\"><figure><h2>Reliability</h2>" + reliability_svg(result) + "</figure>\n";
    html += "<figure><h2>ROC, one class against the rest</h2>" + roc_svg(result) + "</figure></div>\n";
    html += "<h2>Classes</h2>\n<figure>" + class_rows(result) + "</figure>\n";
  }
  html += "<h2>Origin</h2>\n<table>\n";
  for (const auto& [key, value] : provenance) {
    html += "<tr><td>" + markup_escaped(key) + "</td><td>" + markup_escaped(value) + "</td></tr>\n";
  }
  return html + "</table></body></html>\n";
}

}  // namespace mt
