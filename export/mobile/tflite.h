// TensorFlow Lite's C API: its own headers, or what the kit needs of it, declared for a library
// that comes without headers (version 2.17, as the AAR and the pod have it too).
#pragma once

#ifdef SEQ2SEQ_TFLITE_HEADERS

#include "tensorflow/lite/c/c_api.h"
#include "tensorflow/lite/c/c_api_experimental.h"
#include "tensorflow/lite/delegates/xnnpack/xnnpack_delegate.h"

#else

#include <cstdarg>
#include <cstddef>
#include <cstdint>

extern "C" {

struct TfLiteDelegate;
struct TfLiteInterpreter;
struct TfLiteInterpreterOptions;
struct TfLiteModel;
struct TfLiteSignatureRunner;
struct TfLiteTensor;
struct TfLiteXNNPackDelegateWeightsCache;

enum TfLiteStatus { kTfLiteOk = 0 };
enum TfLiteType { kTfLiteFloat32 = 1, kTfLiteInt32 = 2 };

// The beginning of the structure in version 2.17; a later one may have more, and other, members
// behind `num_threads`. The room is for those.
struct TfLiteXNNPackDelegateOptions {
  int32_t num_threads;
  uint32_t flags;
  TfLiteXNNPackDelegateWeightsCache* weights_cache;
  char room[496];
};

const char* TfLiteVersion();
TfLiteModel* TfLiteModelCreateFromFile(const char* path);
void TfLiteModelDelete(TfLiteModel*);

TfLiteInterpreterOptions* TfLiteInterpreterOptionsCreate();
void TfLiteInterpreterOptionsDelete(TfLiteInterpreterOptions*);
void TfLiteInterpreterOptionsSetNumThreads(TfLiteInterpreterOptions*, int32_t num_threads);
void TfLiteInterpreterOptionsAddDelegate(TfLiteInterpreterOptions*, TfLiteDelegate*);
void TfLiteInterpreterOptionsSetErrorReporter(TfLiteInterpreterOptions*,
                                              void (*reporter)(void* user_data, const char* format,
                                                               va_list arguments),
                                              void* user_data);

TfLiteInterpreter* TfLiteInterpreterCreate(const TfLiteModel*, const TfLiteInterpreterOptions*);
void TfLiteInterpreterDelete(TfLiteInterpreter*);
int32_t TfLiteInterpreterGetSignatureCount(const TfLiteInterpreter*);
const char* TfLiteInterpreterGetSignatureKey(const TfLiteInterpreter*, int32_t index);
TfLiteSignatureRunner* TfLiteInterpreterGetSignatureRunner(const TfLiteInterpreter*,
                                                           const char* key);

TfLiteStatus TfLiteSignatureRunnerAllocateTensors(TfLiteSignatureRunner*);
TfLiteTensor* TfLiteSignatureRunnerGetInputTensor(TfLiteSignatureRunner*, const char* name);
TfLiteStatus TfLiteSignatureRunnerInvoke(TfLiteSignatureRunner*);
const TfLiteTensor* TfLiteSignatureRunnerGetOutputTensor(const TfLiteSignatureRunner*,
                                                         const char* name);
void TfLiteSignatureRunnerDelete(TfLiteSignatureRunner*);

TfLiteType TfLiteTensorType(const TfLiteTensor*);
int32_t TfLiteTensorNumDims(const TfLiteTensor*);
int32_t TfLiteTensorDim(const TfLiteTensor*, int32_t index);
size_t TfLiteTensorByteSize(const TfLiteTensor*);
void* TfLiteTensorData(const TfLiteTensor*);

TfLiteXNNPackDelegateOptions TfLiteXNNPackDelegateOptionsDefault();
TfLiteDelegate* TfLiteXNNPackDelegateCreate(const TfLiteXNNPackDelegateOptions*);
void TfLiteXNNPackDelegateDelete(TfLiteDelegate*);
TfLiteXNNPackDelegateWeightsCache* TfLiteXNNPackDelegateWeightsCacheCreateWithSize(size_t bytes);
bool TfLiteXNNPackDelegateWeightsCacheFinalizeHard(TfLiteXNNPackDelegateWeightsCache*);
void TfLiteXNNPackDelegateWeightsCacheDelete(TfLiteXNNPackDelegateWeightsCache*);

}  // extern "C"

#endif
