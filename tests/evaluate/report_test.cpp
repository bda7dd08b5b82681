#include "evaluate/report.h"

#include <fstream>

#include <doctest/doctest.h>

#include "evaluate/plots.h"
#include "golden_case.h"

using namespace mt;

namespace {

ClassificationResult result_of(std::size_t number, std::vector<std::string> names, std::size_t resamples = 20) {
  const test::GoldenCase golden = test::golden_cases()[number];
  names.resize(golden.classes, "other");
  ClassificationOptions options;
  options.bootstrap.resamples = resamples;
  ClassificationScorer scorer(names, options);
  scorer.add(golden.labels, golden.scores);
  ThreadPool pool(1);
  return scorer.result(pool);
}

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

// Every element that is opened is closed, in order; good enough to catch a forgotten end.
bool balanced(const std::string& markup) {
  std::vector<std::string> open;
  for (std::size_t at = markup.find('<'); at != std::string::npos; at = markup.find('<', at + 1)) {
    const std::size_t end = markup.find('>', at);
    if (end == std::string::npos) return false;
    std::string tag = markup.substr(at + 1, end - at - 1);
    if (tag[0] == '!' || tag.back() == '/' || tag.starts_with("meta")) continue;
    tag = tag.substr(0, tag.find(' '));
    if (tag[0] != '/') {
      open.push_back(tag);
    } else {
      if (open.empty() || open.back() != tag.substr(1)) return false;
      open.pop_back();
    }
  }
  return open.empty();
}

const std::string kHostile = "<script>alert(1)</script>]]>\x1b[31m\n\"'&";

}  // namespace

TEST_CASE("text report: metrics with intervals, then a row for each class; control bytes are shown, not sent") {
  const std::string text = text_report(result_of(2, {"cat", "\x1b[2Jdog", "été"}), 100);
  CHECK(text.starts_with("300 samples, 300 labelled, 5 classes\n"));
  CHECK(text.find("accuracy               0.5567  [") != std::string::npos);
  CHECK(text.find("\x1b") == std::string::npos);
  CHECK(text.find("\\x1b[2Jdog") != std::string::npos);
  CHECK(text.find("95 % intervals of 20 bootstrap resamples, seed 0") != std::string::npos);
}

TEST_CASE("text report: of many classes the worst are shown, and it says so") {
  const std::string text = text_report(result_of(9, {}), 5);
  CHECK(text.find("(5 of 20 classes, lowest f1 first; --json has all)") != std::string::npos);
  CHECK(count(text, "\nother") == 5);
}

TEST_CASE("json report: full precision, null where a metric is undefined, keys as documented") {
  const ClassificationResult result = result_of(4, {"a", "b", "c", "d"});
  const nlohmann::ordered_json report = json_report(result);
  CHECK(report["samples"] == 400);
  CHECK(report["metrics"]["accuracy"] == *result.find(Metric::accuracy)->value);
  CHECK(report["metrics"]["top_5_accuracy"] == *result.find(Metric::top_k_accuracy)->value);
  CHECK(report["intervals"]["auroc"].size() == 2);
  CHECK(report["classes"][3]["name"] == "d");
  CHECK(report["classes"][3]["support"] == 0);
  CHECK(report["classes"][3]["auroc"].is_null());
  CHECK(report["calibration"].size() == 15);
  std::int64_t confused = 0;
  for (const auto& cell : report["confusion"]) confused += cell[2].get<std::int64_t>();
  CHECK(confused == 400);
  CHECK(nlohmann::json::parse(report.dump())["metrics"]["log_loss"] == *result.find(Metric::log_loss)->value);
}

TEST_CASE("html report: hostile names stay text, the page is whole and asks for nothing else") {
  const std::string html = html_report(result_of(2, {kHostile, "b"}), "Title <" + kHostile, {{"head", kHostile}});
  CHECK(html.find("<script") == std::string::npos);
  CHECK(html.find('\x1b') == std::string::npos);
  CHECK(html.find("&lt;script&gt;alert(1)") != std::string::npos);
  CHECK(html.find("http://") == html.find("http://www.w3.org/2000/svg"));  // a name space, not an address
  CHECK(html.find("src=") == std::string::npos);
  CHECK(html.find("url(") == std::string::npos);
  CHECK(html.find("prefers-color-scheme:dark") != std::string::npos);
  CHECK(balanced(html));
  for (const char* part : {"Confusion matrix", "Reliability", "ROC", "Classes", "Origin"}) {
    CHECK(html.find(part) != std::string::npos);
  }
}

TEST_CASE("html report: the same result gives the same bytes; without labels it has no pictures") {
  CHECK(html_report(result_of(1, {"no", "yes"}), "x", {}) == html_report(result_of(1, {"no", "yes"}), "x", {}));
  ClassificationScorer scorer({"a", "b"}, {});
  scorer.add({}, Tensor::of<float>({1, 2}, {0.25F, 0.75F}));
  ThreadPool pool(1);
  const std::string html = html_report(scorer.result(pool), "x", {});
  CHECK(html.find("<svg") == std::string::npos);
  CHECK(balanced(html));
}

TEST_CASE("confusion picture: a cell for each pair that occurs, with its count") {
  const ConfusionCell cells[] = {{0, 0, 8}, {0, 1, 2}, {1, 1, 5}};
  const std::string svg = confusion_svg(cells, {"cat", "dog"});
  CHECK(count(svg, "class=\"data\"") == 3);
  CHECK(svg.find("cat \u2192 dog: 2 (20.0 %)") != std::string::npos);
  CHECK(balanced(svg));
  const std::string large = confusion_svg(cells, std::vector<std::string>(1000, "x"));
  CHECK(large.size() < 4000);  // a thousand classes: cells that occur, no names
}

TEST_CASE("confusion csv: a row for each true class, names safe for spreadsheets") {
  const ConfusionCell cells[] = {{0, 0, 8}, {0, 1, 2}, {1, 1, 5}};
  CHECK(confusion_csv(cells, {"=cat", "d,og"}) == "label,'=cat,\"d,og\"\r\n'=cat,8,2\r\n\"d,og\",0,5\r\n");
}

TEST_CASE("roc picture: of many classes the eight with the smallest areas; of two classes one") {
  CHECK(count(roc_svg(result_of(9, {})), "<polyline") == 8);
  CHECK(count(roc_svg(result_of(0, {"no", "yes"})), "<polyline") == 1);
}
