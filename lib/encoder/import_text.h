// Tables of words and positions that checkpoints of text models bring along.
#pragma once

#include <optional>
#include <string>

#include "base/progress.h"
#include "store/checkpoint.h"
#include "store/model.h"

namespace mt {

// The part "tokenizer/text" of a Hugging Face BERT: words, positions, types and their norm, under the names of
// tokenize/text/text_embedding.h, and the vocabulary where vocab.txt lies beside the checkpoint (else the part is not
// complete, and mt-tokenize asks for one). BERT's blocks are left out: they are normed behind, not in front. nullopt
// when the tensors are not those of a BERT. Throws Error: shapes that do not fit, a vocabulary of another size.
std::optional<Model> import_bert(const Checkpoint& checkpoint, const std::string& source, Progress& progress);

// Words [V, W] and positions [P, W] of a part "text" (a CLIP model's text tower), as the beginning of a
// "tokenizer/text". Throws Error when it has none.
Part text_tables_of_tower(const Part& tower);

}  // namespace mt
