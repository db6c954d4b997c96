#include "native.h"

EXPORT int32_t native_abi(void) {
    return ABI;
}
