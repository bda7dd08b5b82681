#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "decode/graph_set.h"
#include "support/temporary_directory.h"

using namespace mt;

namespace {

using Edges = std::vector<std::array<std::uint32_t, 2>>;

struct Files {
  test::TemporaryDirectory folder;

  std::filesystem::path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder / name) << text;
    return folder / name;
  }
  GraphSet tu() const { return read_tu(folder.path(), {}); }
};

// The message without the folder.
std::string why(const Files& files, const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    std::string text = error.what();
    const std::string folder = files.folder.path().string() + "/";
    for (std::size_t at; (at = text.find(folder)) != std::string::npos;) text.erase(at, folder.size());
    return text;
  }
  return "nothing";
}

void write_small_tu(const Files& files) {
  files.write("S_A.txt", "4, 5\n1,2\n2, 1\n3, 3\n");
  files.write("S_graph_indicator.txt", "1\n1\n1\n2\n2\n");
  files.write("S_graph_labels.txt", "1\n-1\n");
  files.write("S_edge_labels.txt", "z\nx\ny\nx\n");
  files.write("S_node_attributes.txt", " 1.5, 2\n3, 4\n5,6\n7,8\n9,10\n");
}

}  // namespace

TEST_CASE("graphs: a TU folder, its edges brought into the graphs' order with their kinds") {
  const Files files;
  write_small_tu(files);
  const GraphSet set = files.tu();
  CHECK(set.ids == std::vector<std::string>{"S#1", "S#2"});
  CHECK(set.edges == Edges{{0, 1}, {1, 0}, {2, 2}, {0, 1}});
  CHECK(set.edge_offsets == std::vector<std::uint64_t>{0, 3, 4});
  CHECK(set.edge_labels.names()[static_cast<std::size_t>(set.edge_labels[3])] == "z");
  CHECK(set.classes.names() == std::vector<std::string>{"-1", "1"});
  CHECK(set.node_columns.size() == 2);
  CHECK(set.node_attributes[9] == 10);
  CHECK(set.node_labels.size() == 0);
}

TEST_CASE("graphs: TU folders whose graphs cannot be told apart are refused with file and line") {
  const auto broken = [](const char* file, const char* text) {
    const Files files;
    write_small_tu(files);
    files.write(file, text);
    return why(files, [&] { files.tu(); });
  };
  CHECK(broken("S_A.txt", "1, 4\n1, 2\n1, 2\n1, 2\n") ==
        "S_A.txt: line 1: joins a node of graph 1 with one of graph 2");  // neither graph is whole
  CHECK(broken("S_A.txt", "0, 1152921504606846976\n") == "S_A.txt: line 1: node 0 is not from 1 to 5");
  CHECK(broken("S_A.txt", "one\n") == "S_A.txt: line 1: \"one\" is not a whole number");
  CHECK(broken("S_edge_labels.txt", "x\n").starts_with("S_edge_labels.txt: has 1 lines, expected 4"));
  CHECK(broken("S_graph_indicator.txt", "1\n1\n2\n1\n")
            .starts_with("S_graph_indicator.txt: line 4: graph 1 follows graph 2"));
  CHECK(broken("S_graph_indicator.txt", "1\n99999999999\n")
            .starts_with("S_graph_indicator.txt: line 2: graph 99999999999 follows"));
  CHECK(broken("S_graph_labels.txt", "1\n").starts_with("S_graph_labels.txt: has 1 lines, expected 2"));
  CHECK(broken("S_node_attributes.txt", "one, 2\n3, 4\n5,6\n7,8\n9,ten\n") ==
        "S_node_attributes.txt: line 1: \"one\" is not a number");
  CHECK(broken("T_A.txt", "").find("holds 2 files named NAME_A.txt") != std::string::npos);
}

TEST_CASE("graphs: what is damaged in one graph of a TU folder is a fault of that graph") {
  const auto faults = [](const char* file, const char* text) {
    const Files files;
    write_small_tu(files);
    files.write("S_graph_indicator.txt", "1\n1\n1\n2\n3\n");
    files.write("S_graph_labels.txt", "1\n-1\n1\n");
    files.write("S_A.txt", "2, 1\n1, 2\n4, 4\n5, 5\n");
    files.write(file, text);
    GraphSet set = files.tu();
    for (std::string& fault : set.faults) fault = fault.substr(fault.rfind('/') + 1);
    return set.faults;
  };
  using Faults = std::vector<std::string>;
  CHECK(faults("S_A.txt", "2, 1\n1, 2\n4, 4\n5, 5\n").empty());
  const std::string joins = "S_A.txt: line 2: joins a node of graph 2 with one of graph 3";
  CHECK(faults("S_A.txt", "2, 1\n4, 5\n4, 9\n5, 5\n") == Faults{"", joins, joins});
  CHECK(faults("S_A.txt", "2, 1\n1, 2\n9, 4\n5, 5\n") == Faults{"", "S_A.txt: line 3: node 9 is not from 1 to 5", ""});
  CHECK(faults("S_A.txt", "1, \n1, 2\n4, 4\n5, 5\n") ==
        Faults{"S_A.txt: line 1: ends where a number was expected", "", ""});
  CHECK(faults("S_node_attributes.txt", "1\n2\n3\nfour\n5 6\n") ==
        Faults{"", "S_node_attributes.txt: line 4: \"four\" is not a number",
               "S_node_attributes.txt: line 5: has more than 1 numbers"});
  CHECK(faults("S_edge_attributes.txt", "1\n2\nthree\n4\n") ==
        Faults{"", "S_edge_attributes.txt: line 3: \"three\" is not a number", ""});
  CHECK(faults("S_graph_attributes.txt", "1\n2\nx\n") ==
        Faults{"", "", "S_graph_attributes.txt: line 3: \"x\" is not a number"});
}

TEST_CASE("graphs: the rows of a TU edge that is left out are left out too") {
  const Files files;
  write_small_tu(files);
  files.write("S_graph_indicator.txt", "1\n1\n2\n2\n3\n");
  files.write("S_graph_labels.txt", "1\n-1\n1\n");
  files.write("S_A.txt", "5, 5\n2, 3\n1, 2\n3, 4\n");
  files.write("S_edge_attributes.txt", "1\n2\n3\n4\n");
  const GraphSet set = files.tu();
  CHECK(set.edges == Edges{{0, 1}, {0, 1}, {0, 0}});
  CHECK(set.edge_attributes == std::vector<float>{3, 4, 1});
  REQUIRE(set.edge_labels.size() == 3);
  CHECK(set.edge_labels.names()[static_cast<std::size_t>(set.edge_labels[0])] == "y");
  CHECK(set.edge_labels.names()[static_cast<std::size_t>(set.edge_labels[2])] == "z");
}

TEST_CASE("graphs: JSON lines with kinds, numbers, targets and classes") {
  const Files files;
  const auto file =
      files.write("g.jsonl",
                  "{\"id\":\"a\",\"nodes\":3,\"edges\":[[0,1],[1,2]],\"label\":\"ring\",\"edge_labels\":[\"s\",\"d\"],"
                  "\"node_attributes\":[[1],[2],[3]],\"targets\":[0.5]}\n\n"
                  "{\"node_labels\":[6,8],\"node_attributes\":[[4],[5]],\"targets\":[1]}\n");
  const GraphSet set = read_graph_lines(file, {});
  CHECK(set.ids == std::vector<std::string>{"a", "g.jsonl#1"});
  CHECK(set.edges == Edges{{0, 1}, {1, 2}});
  CHECK(set.node_attributes == std::vector<float>{1, 2, 3, 4, 5});
  CHECK(set.node_labels.names() == std::vector<std::string>{"6", "8"});
  CHECK(set.node_labels[0] == -1);
  CHECK(set.node_labels[4] == 1);
  CHECK(set.targets == std::vector<float>{0.5F, 1});
  CHECK(set.classes[1] == -1);
  CHECK(set.node_classes.size() == 0);
}

TEST_CASE("graphs: damaged JSON lines are refused with their line") {
  const auto broken = [](const std::string& text) {
    const Files files;
    files.write("g.jsonl", text);
    return why(files, [&] { read_graph_lines(files.folder / "g.jsonl", {}); });
  };
  CHECK(broken("{\"nodes\":2,\"edges\":[[0,2]]}") ==
        "g.jsonl: line 1: an edge names the node 2, there are 2 (counted from 0)");
  CHECK(broken("{\"nodes\":2,\"edges\":[[0,-1]]}") ==
        "g.jsonl: line 1: an edge names the node -1, there are 2 (counted from 0)");
  CHECK(broken("{\"nodes\":1152921504606846976}") == "g.jsonl: line 1: brings more than 268435456 nodes");
  CHECK(broken("{\"edges\":[]}") ==
        "g.jsonl: line 1: does not say how many nodes there are (give it the key \"nodes\")");
  CHECK(broken("{\"nodes\":2,\"node_labels\":[1]}") == "g.jsonl: line 1: node_labels has 1 entries, expected 2");
  CHECK(broken("{\"nodes\":1,\"node_attributes\":[[\"x\"]]}") ==
        "g.jsonl: line 1: node_attributes holds string, not a number");
  CHECK(broken("[1]") == "g.jsonl: line 1: is not a JSON object");
  CHECK(broken("\n") == "g.jsonl: holds no graphs");
  CHECK(broken(std::string(100000, '[')).find("line 1") != std::string::npos);
}

TEST_CASE("graphs: a JSON line that is no graph like the others has a fault, and keeps its place and name") {
  const Files files;
  const GraphSet set = read_graph_lines(
      files.write(
          "g.jsonl",
          "{\"id\":\"first\",\"nodes\":1000000000000,\"label\":\"a\"}\n"
          "{\"nodes\":2,\"edges\":[[0,1]],\"node_attributes\":[[1],[2]],\"targets\":[3],\"label\":\"b\"}\n"
          "{\"nodes\":1,\"targets\":[4],\"label\":\"c\"}\n"
          "{\"nodes\":1,\"edges\":[[0,0]],\"edge_labels\":[\"loop\"],\"node_attributes\":[[5]],\"targets\":[]}\n"
          "nonsense\n"
          "{\"nodes\":1,\"edges\":[[0,0]],\"edge_labels\":[\"loop\"],\"node_attributes\":[[6]],\"targets\":[7]}\n"),
      {});
  CHECK(set.ids == std::vector<std::string>{"first", "g.jsonl#1", "g.jsonl#2", "g.jsonl#3", "g.jsonl#4", "g.jsonl#5"});
  CHECK(set.node_offsets == std::vector<std::uint64_t>{0, 0, 2, 2, 2, 2, 3});
  CHECK(set.edges == Edges{{0, 1}, {0, 0}});
  CHECK(set.node_attributes == std::vector<float>{1, 2, 6});
  CHECK(set.targets == std::vector<float>{0, 3, 0, 0, 0, 7});
  CHECK(set.classes.names() == std::vector<std::string>{"b"});
  CHECK(set.edge_labels[0] == -1);
  CHECK(set.edge_labels[1] == 0);
  const auto fault_ends = [&](std::size_t graph, const char* text) { return set.faults[graph].ends_with(text); };
  CHECK(fault_ends(0, "line 1: brings more than 268435456 nodes"));
  CHECK(set.faults[1].empty());
  CHECK(fault_ends(2, "line 3: lacks node_attributes, which the first graph has"));
  CHECK(fault_ends(3, "line 4: has 0 targets, the first graph has 1"));
  CHECK(set.faults[4].find("line 5") != std::string::npos);
  CHECK(set.faults[5].empty());
}

TEST_CASE("graphs: Planetoid text, citations of unknown papers left out") {
  const Files files;
  const auto content = files.write("c.content", "p1\t0\t1\tx\np2\t1\t0\ty\n");
  files.write("c.cites", "p1\tp2\np1\tp9\n");
  const GraphSet set = read_planetoid(content, {});
  CHECK(set.edges == Edges{{1, 0}});
  CHECK(set.node_attributes == std::vector<float>{0, 1, 1, 0});
  CHECK(set.node_classes.names() == std::vector<std::string>{"x", "y"});
  files.write("c.content", "p1 0 1 x\np1 1 0 y\n");
  CHECK(why(files, [&] { read_planetoid(content, {}); }) == "c.content: line 2: has the id \"p1\" of an earlier line");
  files.write("c.content", "p1 0 1 x\np2 1 y\n");
  CHECK(why(files, [&] { read_planetoid(content, {}); }) == "c.content: line 2: \"y\" is not a number");
}

TEST_CASE("graphs: edge tables with and without tables of nodes and graphs") {
  const Files files;
  const auto edges = files.write("e.csv", "source,target,graph,w\nu,v,g,1\nv,u,g,2\nu,u,h,3\nv,w,g,4\n");
  const GraphSet alone = read_graphs({edges, "", "", {}});
  CHECK(alone.ids == std::vector<std::string>{"g", "h"});
  CHECK(alone.node_names == std::vector<std::string>{"u", "v", "w", "u"});
  CHECK(alone.edges == Edges{{0, 1}, {1, 0}, {1, 2}, {0, 0}});
  CHECK(alone.edge_attributes == std::vector<float>{1, 2, 4, 3});

  const auto nodes =
      files.write("n.tsv", "id\tgraph\tmass\tlabel\nu\th\t7\tO\nw\tg\t1\tC\nv\tg\t2\tC\nu\tg\t3\tN\nlone\tg\t4\tN\n");
  const auto graphs = files.write("g.csv", "id,class,energy\ng,big,1.5\nh,small,2.5\n");
  const GraphSet set = read_graphs({edges, nodes, graphs, {}});
  CHECK(set.ids == std::vector<std::string>{"h", "g"});
  CHECK(set.nodes_of(1) == 4);
  CHECK(set.edges == Edges{{0, 0}, {2, 1}, {1, 2}, {1, 0}});
  CHECK(set.node_attributes == std::vector<float>{7, 1, 2, 3, 4});
  CHECK(set.targets == std::vector<float>{2.5F, 1.5F});
  CHECK(set.classes.names()[static_cast<std::size_t>(set.classes[0])] == "small");

  files.write("n.tsv", "id\tgraph\nu\tg\nv\tg\n");
  CHECK(why(files, [&] {
          read_graphs({edges, nodes, "", {}});
        }) == "e.csv: line 4: names the node \"u\", which the node table lacks");
  files.write("e.csv", "source,target,w\nu,v,heavy\n");
  CHECK(why(files, [&] {
          read_graphs({edges, "", "", {}});
        }) == "e.csv: line 2: column \"w\" holds \"heavy\", not a number");
  CHECK_THROWS_AS(read_graphs({files.folder.path(), nodes, "", {}}), Error);
}

TEST_CASE("graphs: what is damaged in one graph of an edge table is a fault of that graph") {
  const Files files;
  const auto edges = files.write("e.csv", "source,target,graph,w\na,b,one,1\na,b,two,heavy\na,b,three,1\na,x,four,1\n");
  const auto nodes = files.write("n.csv",
                                 "id,graph,mass\na,one,1\nb,one,2\na,two,1\nb,two,1\na,three,1\nb,three,light\n"
                                 "a,four,1\na,five,1\na,five,1\na,six,1\n");
  const auto graphs = files.write("g.csv", "id,class,energy\none,x,1\ntwo,x,1\nthree,x,1\nfour,x,1\nfive,x,1\n");
  const GraphSet set = read_graphs({edges, nodes, graphs, {}});
  REQUIRE(set.faults.size() == 6);
  const auto fault = [&](std::size_t g) { return set.faults[g].substr(set.faults[g].rfind('/') + 1); };
  CHECK(fault(0).empty());
  CHECK(fault(1) == "e.csv: line 3: column \"w\" holds \"heavy\", not a number");
  CHECK(fault(2) == "n.csv: line 7: column \"mass\" holds \"light\", not a number");
  CHECK(fault(3) == "e.csv: line 5: names the node \"x\", which the node table lacks");
  CHECK(fault(4) == "n.csv: line 10: has the id \"a\" of an earlier node");
  CHECK(fault(5) == "g.csv: has no row for this graph");
  CHECK(set.node_attributes.size() == set.nodes());
  CHECK(set.edge_attributes.size() == set.edges.size());
}

TEST_CASE("graphs: the genuine TU data sets") {
  const std::filesystem::path folder = std::filesystem::path(MT_TESTS_DIR) / "../../shared/data/graph";
  if (!std::filesystem::exists(folder)) {
    MESSAGE("skipped: no " << folder);
    return;
  }
  const GraphSet mutag = read_tu(folder / "TU_MUTAG", {});
  CHECK(mutag.size() == 188);
  CHECK(mutag.nodes() == 3371);
  CHECK(mutag.edges.size() == 7442);
  CHECK(mutag.node_labels.names().size() == 7);
  const GraphSet proteins = read_tu(folder / "TU_PROTEINS", {});
  CHECK(proteins.size() == 1113);
  CHECK(proteins.nodes() == 43471);
  CHECK(proteins.edges.size() == 162088);
  CHECK(proteins.node_columns.size() == 1);
}
