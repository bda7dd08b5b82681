// The whole library in one include.
#pragma once

#include "base/digest.h"
#include "base/error.h"
#include "base/progress.h"
#include "base/random.h"
#include "base/tensor.h"
#include "base/threads.h"
#include "base/version.h"
#include "decode/image.h"
#include "decode/image_source.h"
#include "encoder/encoder.h"
#include "encoder/model_source.h"
#include "store/checkpoint.h"
#include "store/model.h"
#include "store/model_file.h"
#include "store/sample_reader.h"
#include "store/sample_writer.h"
