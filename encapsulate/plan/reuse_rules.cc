// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/plan/reuse_rules.h"

#include <sched.h>

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "absl/algorithm/container.h"
#include "encapsulate/plan/seccomp_filter.h"

namespace encapsulate {
namespace {

// What is added to a struct doesn't compile here until it is compared.

auto FieldsOf(const Tmpfs& tmpfs) {
  const auto& [path, size] = tmpfs;
  return std::tie(path, size);
}

auto FieldsOf(const Allowed& allowed) {
  const auto& [rule, target, reason] = allowed;
  return std::tie(rule, target, reason);
}

auto FieldsOf(const Limits& limits) {
  const auto& [timeout, grace, cpu_time, address_space, memory, processes,
               file_size, open_files, core_size] = limits;
  return std::tie(timeout, grace, cpu_time, address_space, memory, processes,
                  file_size, open_files, core_size);
}

// But for those that are structs themselves.
auto FieldsOf(const Options& options) {
  const auto& [isolation, writable, tmpfs, overlay, hidden, shown, network,
               identity, uid, gid, attachment, hostname, directory, environment,
               umask, keep_descriptors, make_directories, limits, violations,
               allowed, inputs, exposed_executable, shared_mappings,
               list_overlay_changes] = options;
  return std::tie(isolation, writable, overlay, hidden, shown, network,
                  identity, uid, gid, attachment, hostname, directory,
                  environment, umask, keep_descriptors, make_directories,
                  violations, inputs, exposed_executable, shared_mappings,
                  list_overlay_changes);
}

template <typename T>
bool AreAllEqual(const std::vector<T>& a, const std::vector<T>& b) {
  return absl::c_equal(a, b, [](const T& one, const T& other) {
    return FieldsOf(one) == FieldsOf(other);
  });
}

}  // namespace

std::string WhyNotReusable(const Options& options, const Plan& plan) {
  constexpr uint64_t kOwn = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
                            CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET;
  if (!plan.command.empty()) return "it is for a command";
  if (options.inputs) return "what is read inside is recorded";
  if (plan.watching_filter == nullptr) {
    return "without violations nobody sees what is done inside";
  }
  if ((plan.namespaces & kOwn) != kOwn || plan.network == Network::kHost) {
    return "it shares a namespace with the host";
  }
  if (options.limits.memory.has_value() ||
      options.limits.processes.has_value()) {
    return "it has limits of its own for memory or processes";
  }
  if (plan.timeout_nanoseconds != 0) return "it has a timeout";
  if (plan.root_writable) return "'/' is writable";
  if (absl::c_any_of(plan.places, [](const Place& place) {
        return place.kind == PlaceKind::kOverlay;
      })) {
    return "it has overlays";
  }
  if (!plan.inputs.empty()) return "a file is its standard input";
  if (!plan.executable.empty()) return "it could change the program's file";
  if (plan.foreground) return "it has the terminal";
  return "";
}

bool AreEqual(const Options& a, const Options& b) {
  return FieldsOf(a) == FieldsOf(b) && AreAllEqual(a.tmpfs, b.tmpfs) &&
         FieldsOf(a.limits) == FieldsOf(b.limits) &&
         AreEqual(a.allowed, b.allowed);
}

bool AreEqual(const std::vector<Allowed>& a, const std::vector<Allowed>& b) {
  return AreAllEqual(a, b);
}

void MakeReusable(Plan* plan) {
  plan->reusable = true;
  plan->watching_filter = &GetFilter(
      OpenCalls::kReport,
      plan->core_limit == kNoCore ? CoreLimit::kFixed : CoreLimit::kFree);
}

}  // namespace encapsulate
