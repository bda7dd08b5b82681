// The parts of mt-bench; each adds its rows to the table.
#pragma once

#include <string>

#include "encoder/encoder.h"
#include "measure.h"

namespace mt::bench {

void measure_layers(const Settings& settings, Table& table);    // products, attention, norms, quantisation
void measure_encoder(const Settings& settings, Table& table);   // whole encoder: sizes, batches, ragged, merged, long
void measure_training(const Settings& settings, Table& table);  // steps through the encoder and back
void measure_errors(const Settings& settings, Table& table);    // of bf16 and int8, block by block
void measure_data(const Settings& settings, Table& table);      // decoding, tokenizers, HDF5
void measure_cards(const Settings& settings, Table& table);     // products and the encoder on the first card
// Multiplications and additions of the blocks for one sample of n tokens; merge pairs are joined between attention and
// MLP.
double operations_of(const Architecture& architecture, std::size_t tokens, std::size_t merge = 0);

// mt-encode as a user runs it: rate, peak memory, how both hold for many samples. programs: the folder it is in.
void measure_programs(const Settings& settings, const std::string& programs, Table& table);

}  // namespace mt::bench
