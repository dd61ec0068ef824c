// What the stand-in takes from CANN's interface: from CANN's own headers where STANDIN_CANN_HEADERS
// is defined, so that a disagreement does not compile, else declared here.
#pragma once
#include <cstddef>
#include <cstdint>

#ifdef STANDIN_CANN_HEADERS
#include <acl/acl.h>
#include <hccl/hccl.h>
#else
typedef int aclError;
typedef void *aclrtContext;
typedef void *aclrtStream;
typedef void *aclrtEvent;
typedef void *aclmdlRI;
typedef void *HcclComm;

enum aclDataType {
  ACL_DT_UNDEFINED = -1, ACL_FLOAT = 0, ACL_FLOAT16 = 1, ACL_INT8 = 2, ACL_INT32 = 3,
  ACL_UINT8 = 4, ACL_INT16 = 6, ACL_UINT16 = 7, ACL_UINT32 = 8, ACL_INT64 = 9, ACL_UINT64 = 10,
  ACL_DOUBLE = 11, ACL_BOOL = 12, ACL_COMPLEX64 = 16, ACL_COMPLEX128 = 17, ACL_BF16 = 27,
  ACL_INT4 = 29, ACL_FLOAT8_E5M2 = 35, ACL_FLOAT8_E4M3FN = 36
};
enum aclFormat { ACL_FORMAT_UNDEFINED = -1, ACL_FORMAT_NCHW = 0, ACL_FORMAT_ND = 2 };
enum aclrtMemMallocPolicy { ACL_MEM_MALLOC_HUGE_FIRST = 0 };
enum aclrtMemcpyKind {
  ACL_MEMCPY_HOST_TO_HOST = 0, ACL_MEMCPY_HOST_TO_DEVICE = 1, ACL_MEMCPY_DEVICE_TO_HOST = 2,
  ACL_MEMCPY_DEVICE_TO_DEVICE = 3
};
enum aclrtMemAttr { ACL_DDR_MEM = 0, ACL_HBM_MEM = 1 };
enum aclrtDevAttr {
  ACL_DEV_ATTR_AICORE_CORE_NUM = 101, ACL_DEV_ATTR_VECTOR_CORE_NUM = 201,
  ACL_DEV_ATTR_TOTAL_GLOBAL_MEM_SIZE = 301, ACL_DEV_ATTR_L2_CACHE_SIZE = 302
};
enum aclrtEventRecordedStatus {
  ACL_EVENT_RECORDED_STATUS_NOT_READY = 0, ACL_EVENT_RECORDED_STATUS_COMPLETE = 1
};
enum aclmdlRICaptureMode {
  ACL_MODEL_RI_CAPTURE_MODE_GLOBAL = 0, ACL_MODEL_RI_CAPTURE_MODE_THREAD_LOCAL = 1,
  ACL_MODEL_RI_CAPTURE_MODE_RELAXED = 2
};
enum aclmdlRICaptureStatus {
  ACL_MODEL_RI_CAPTURE_STATUS_NONE = 0, ACL_MODEL_RI_CAPTURE_STATUS_ACTIVE = 1,
  ACL_MODEL_RI_CAPTURE_STATUS_INVALIDATED = 2
};
enum aclCANNPackageName { ACL_PKG_NAME_CANN = 0 };
struct aclCANNPackageVersion {
  char version[128];
  char majorVersion[64];
  char minorVersion[64];
  char releaseVersion[64];
  char patchVersion[64];
  char reserved[128];
};
enum HcclResult {
  HCCL_SUCCESS = 0, HCCL_E_PARA = 1, HCCL_E_PTR = 2, HCCL_E_INTERNAL = 4, HCCL_E_TIMEOUT = 9
};
enum HcclReduceOp {
  HCCL_REDUCE_SUM = 0, HCCL_REDUCE_PROD = 1, HCCL_REDUCE_MAX = 2, HCCL_REDUCE_MIN = 3
};
enum HcclDataType {
  HCCL_DATA_TYPE_INT8 = 0, HCCL_DATA_TYPE_INT16 = 1, HCCL_DATA_TYPE_INT32 = 2,
  HCCL_DATA_TYPE_FP16 = 3, HCCL_DATA_TYPE_FP32 = 4, HCCL_DATA_TYPE_INT64 = 5,
  HCCL_DATA_TYPE_UINT64 = 6, HCCL_DATA_TYPE_UINT8 = 7, HCCL_DATA_TYPE_UINT16 = 8,
  HCCL_DATA_TYPE_UINT32 = 9, HCCL_DATA_TYPE_FP64 = 10, HCCL_DATA_TYPE_BFP16 = 11
};
const uint32_t HCCL_ROOT_INFO_BYTES = 4108;
struct HcclRootInfo { char internal[HCCL_ROOT_INFO_BYTES]; };
#endif

// The interface of the operators' objects, which the wheel with CANN's headers does not carry.
struct aclTensor;
struct aclScalar;
struct aclIntArray;
struct aclTensorList;
struct aclOpExecutor;
typedef int32_t aclnnStatus;

#define STANDIN_EXPORT __attribute__((visibility("default")))

// CANN's codes, where the runtime's headers or the operators' reference name one.
namespace code {
enum : int {
  UNINITIALIZED = 100001, REPEAT_INITIALIZE = 100002,
  PARAM = 107000, DEVICE_ID = 107001, NO_CONTEXT = 107002, STREAM_CONTEXT = 107003,
  EVENT_TIMESTAMP = 107006, UNALIGNED = 107008, MEMORY_TYPE = 107016, HANDLE = 107017,
  UNJOINED = 107025, STREAM_CAPTURED = 107027, NOT_CAPTURED = 107029, CAPTURE_MODE = 107030,
  CAPTURE_UNMATCHED = 107036, CAPTURE_INVALID = 507903,
  OUT_OF_MEMORY = 207001, EVENT_NOT_COMPLETE = 507006, LOST = 507010, EXECUTION = 507015,
  SYNC_TIMEOUT = 507046, EVENT_TIMEOUT = 507047, COPY = 507052,
  OPERATOR_NULL = 161001, OPERATOR_PARAM = 161002, EXECUTOR_NULL = 561103
};
}
