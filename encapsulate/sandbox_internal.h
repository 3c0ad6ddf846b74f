// What the library's own files know of sandbox.h besides.
#ifndef ENCAPSULATE_SANDBOX_INTERNAL_H_
#define ENCAPSULATE_SANDBOX_INTERNAL_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "encapsulate/launch/launch.h"
#include "encapsulate/options.h"
#include "encapsulate/plan/plan.h"
#include "encapsulate/sandbox.h"

namespace encapsulate {

// Enter() into the sandbox of an init that somebody else has started by
// `plan`, which `options` made. `maker` lives as long as the sandbox: its
// parent reaps it.
absl::StatusOr<absl::optional<Process>> EnterPrepared(
    const Options& options, std::unique_ptr<Plan> plan, InitProcess init,
    std::shared_ptr<const void> maker);

}  // namespace encapsulate

#endif  // ENCAPSULATE_SANDBOX_INTERNAL_H_
