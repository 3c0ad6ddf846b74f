// SPDX-License-Identifier: Apache-2.0
//
// Starts sandboxes and what runs in them: launcher.cc makes new ones, reuse.cc
// puts another child into one that is there.
#ifndef ENCAPSULATE_LAUNCHER_H_
#define ENCAPSULATE_LAUNCHER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "encapsulate/child/message.h"
#include "encapsulate/child/setup.h"
#include "encapsulate/launch/launch.h"
#include "encapsulate/options.h"
#include "encapsulate/plan/plan.h"
#include "encapsulate/process_state.h"
#include "encapsulate/sandbox.h"

namespace encapsulate {

class Launcher {
 public:
  using State = Process::State;

  // Spawn().
  static absl::StatusOr<Process> StartCommand(
      const Options& options, const std::vector<std::string>& command);

  // Enter(), into a new sandbox that may be used again if it is `reusable`.
  static absl::StatusOr<absl::optional<Process>> StartChild(
      const Options& options, bool reusable);

  // Enter() into the sandbox of an init that somebody else has started by
  // `plan`, which `options` made. `maker` lives as long as the sandbox: its
  // parent reaps it. MakeReusable() has been called for the plan of one that
  // may be used again.
  static absl::StatusOr<absl::optional<Process>> EnterPrepared(
      const Options& options, std::shared_ptr<Plan> plan, InitProcess init,
      std::shared_ptr<const void> maker);

  // Enter() into the sandbox of `process`, in which nothing is left. `plan` is
  // as the sandbox's, as far as WritePlan() tells.
  static absl::StatusOr<absl::optional<Process>> EnterAgain(
      const Options& options, std::shared_ptr<Plan> plan, Process process);

  // What a pool says of the sandbox, kept with it.
  static std::shared_ptr<const SandboxKind>& Kind(const Process* process);

  // Whether it was made so that it may be used again.
  static bool IsReusable(const Process& process);

  // After Wait(): what keeps the sandbox of such a Process from being used
  // again; kNone if nobody who runs in it next can tell that somebody did
  // before. What nobody knows counts as touched.
  static Trace WhatIsLeft(const Process& process);

  // Whether its relay is there, and what it forks now has what it would have if
  // this thread forked it, as far as CallerState doesn't tell.
  static bool FitsCaller(const Process& process);

  // For a child that has nothing to do with the sandbox: closes what belongs to
  // it. The Process must never be destroyed then.
  static void CloseInChild(const Process& process);

 private:
  // Init has died before the sandbox was ready.
  static absl::Status Lost(const State& state);

  // Up to a running init, which goes on by itself.
  static absl::Status Start(const Options& options,
                            const std::vector<std::string>* command,
                            State* state);

  static absl::Status MakePlanOfLevel(const Options& options,
                                      const std::vector<std::string>* command,
                                      State* state);

  static absl::Status PlanCgroup(const Limits& limits, State* state);

  static absl::Status StartSandbox(State* state);

  // Has the sandbox watched.
  static absl::Status Adopt(InitProcess init, State* state);

  static absl::Status Await(State& state, MessageKind wanted, Message* message);

  // --- Enter() ------------------------------------------------------------

  static absl::StatusOr<absl::optional<Process>> EnterStarted(
      std::unique_ptr<State> state);

  static absl::StatusOr<absl::optional<Process>> Fork(
      std::unique_ptr<State> state);

  // --- Enter() without namespaces (enter_confined.cc) -----------------------

  static absl::StatusOr<absl::optional<Process>> EnterConfined(
      std::unique_ptr<State> state);
  // In the relay, which shares the caller's memory: `argument` is the State.
  static void ConfineGuard(void* argument);
  static void Bury(void* argument);
  static void BecomeConfined(PlanForChild& for_child, int socket);

  // --- Enter() into a sandbox that may be used again ------------------------

  static absl::Status StartPersistentRelay(State* state);

  static absl::Status ExplainFailure(const State& state,
                                     const Message& message);

  // In the relay, which has the caller's descriptors.
  static void ConfineRelay(void* argument);

  static absl::StatusOr<absl::optional<Process>> ForkAgain(
      std::unique_ptr<State> state);

  // What the relay hasn't done for all children. The filter is there already,
  // so nothing here makes a call that it reports.
  static void BecomeInsideAgain(State& state);

  // The host may have put another one in its place since the relay entered it,
  // with capabilities that are dropped now.
  static void EnterDirectoryAgain(Setup& setup);

  // Sets `exposed` to what tells the caller so if the child goes on with an
  // executable that it could change.
  static void ProtectExecutable(Setup& setup, int* exposed);

  // `control` leads to init, which has to know whom to watch, and goes out of
  // the child's reach, before the child may go on. Meanwhile the child confines
  // itself, and nobody waits for the caller to be scheduled.
  static void BecomeInside(PlanForChild& for_child, int socket, int control);

  // In the child: the plan's limits, umask and environment in place of the
  // caller's.
  static void TakeOver(Setup& setup);

  // False if init is gone. It sends nothing on `control` before.
  static bool AwaitInit(int watched, int control);
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_LAUNCHER_H_
