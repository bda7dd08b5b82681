// Shards of one run, put together again in the order of the full input list (/index).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "store/sample_reader.h"

namespace mt {

struct JoinOptions {
  bool allow_missing = false;  // gaps in /index are taken as they are
};

// All shards as one reader, merged by /index in memory that a caller's row budget bounds; not seekable. Labels are
// mapped by name to the first shard's classes. Its schema is the first shard's, its inputs() the union's, so that
// writing it gives the bytes of an unsharded run. An input that one shard rejected and another one has was retried: the
// sample counts, of two rejections the later shard's. Throws Error: shards of different settings (named, with the
// setting), a class that the first one does not know, a sample that is in two shards or twice in one, missing shards or
// inputs ("shard 1 of 2 is missing"): before the first batch where all shards are files, else when the gap is met.
std::unique_ptr<SampleReader> join_shards(const std::vector<std::string>& names, JoinOptions options = {});

// The same as a file whose /features is a virtual data set over the shards, which stay where they are: [N, D] features
// only, in or under the output's directory. Everything else is copied. Throws Error as join_shards does.
void write_virtual_join(const std::vector<std::string>& names, const std::string& output, bool force,
                        JoinOptions options = {});

}  // namespace mt
