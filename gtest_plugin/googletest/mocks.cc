// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/googletest/mocks.h"

#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "gmock/gmock.h"

namespace {

// Which of the functions that make up a mock belong to which mock. All of it
// lives as long as the process.
struct Registry {
  std::mutex mutex;
  bool watching = false;
  std::map<const void*, void*> owners;
  std::set<const void*> may_leak;
};

Registry& TheRegistry() {
  static auto* const registry = new Registry;
  return *registry;
}

}  // namespace

// The linker (--wrap) makes callers of GoogleMock's function F call __wrap_F,
// and ours of __real_F call F. `this` is the first argument. Weak, for
// programs without GoogleMock.
#define ENCAPSULATE_REGISTER_OWNER \
  _ZN7testing8internal25UntypedFunctionMockerBase13RegisterOwnerEPKv
#define ENCAPSULATE_UNREGISTER \
  _ZN7testing4Mock16UnregisterLockedEPNS_8internal25UntypedFunctionMockerBaseE
#define ENCAPSULATE_ALLOW_LEAK _ZN7testing4Mock9AllowLeakEPKv
#define ENCAPSULATE_JOIN2(a, b) a##b
#define ENCAPSULATE_JOIN(a, b) ENCAPSULATE_JOIN2(a, b)
#define ENCAPSULATE_REAL(name) ENCAPSULATE_JOIN(__real_, name)
#define ENCAPSULATE_WRAP(name) ENCAPSULATE_JOIN(__wrap_, name)

extern "C" {

__attribute__((weak)) void ENCAPSULATE_REAL(ENCAPSULATE_REGISTER_OWNER)(
    void* function, const void* mock);
__attribute__((weak)) void ENCAPSULATE_REAL(ENCAPSULATE_UNREGISTER)(
    void* function);
__attribute__((weak)) void ENCAPSULATE_REAL(ENCAPSULATE_ALLOW_LEAK)(
    const void* mock);

void ENCAPSULATE_WRAP(ENCAPSULATE_REGISTER_OWNER)(void* function,
                                                  const void* mock) {
  {
    Registry& registry = TheRegistry();
    const std::lock_guard<std::mutex> lock(registry.mutex);
    if (registry.watching) registry.owners[function] = const_cast<void*>(mock);
  }
  ENCAPSULATE_REAL(ENCAPSULATE_REGISTER_OWNER)(function, mock);
}

void ENCAPSULATE_WRAP(ENCAPSULATE_UNREGISTER)(void* function) {
  {
    Registry& registry = TheRegistry();
    const std::lock_guard<std::mutex> lock(registry.mutex);
    registry.owners.erase(function);
  }
  ENCAPSULATE_REAL(ENCAPSULATE_UNREGISTER)(function);
}

void ENCAPSULATE_WRAP(ENCAPSULATE_ALLOW_LEAK)(const void* mock) {
  {
    Registry& registry = TheRegistry();
    const std::lock_guard<std::mutex> lock(registry.mutex);
    registry.may_leak.insert(mock);
  }
  ENCAPSULATE_REAL(ENCAPSULATE_ALLOW_LEAK)(mock);
}

}  // extern "C"

namespace encapsulate {
namespace mocks {

void Watch() {
  Registry& registry = TheRegistry();
  const std::lock_guard<std::mutex> lock(registry.mutex);
  registry.watching = true;
}

std::vector<void*> Leaked() {
  if (!GMOCK_FLAG_GET(catch_leaked_mocks)) return {};
  Registry& registry = TheRegistry();
  const std::lock_guard<std::mutex> lock(registry.mutex);
  std::set<void*> leaked;
  for (const auto& owner : registry.owners) {
    if (registry.may_leak.count(owner.second) == 0) {
      leaked.insert(owner.second);
    }
  }
  return std::vector<void*>(leaked.begin(), leaked.end());
}

void Verify(void* mock) { testing::Mock::VerifyAndClearExpectations(mock); }

}  // namespace mocks
}  // namespace encapsulate
