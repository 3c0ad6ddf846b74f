// SPDX-License-Identifier: Apache-2.0
//
// What the caller of a sandbox without namespaces has in place of them: a
// directory for its files, the domains that Landlock keeps it in, and the
// supervisor that performs calls for it.
//
//   auto confinement = Confinement::Make(&options);    // before the plan
//   (*confinement)->Prepare(&plan);                    // after it
//   (*confinement)->SetInit(init.pid);                 // once that runs
//   (*confinement)->Clean();                           // when nobody is left
#ifndef ENCAPSULATE_CONFINEMENT_H_
#define ENCAPSULATE_CONFINEMENT_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/launch/domains.h"
#include "encapsulate/options.h"
#include "encapsulate/plan/plan.h"
#include "encapsulate/supervisor/supervisor.h"

namespace encapsulate {

class Confinement {
 public:
  // Makes the directory, and changes the options so that HOME, TMPDIR and
  // TEST_TMPDIR name fresh directories in it, unless they lie in a writable
  // tree. An error if the host doesn't grant the level.
  static absl::StatusOr<std::unique_ptr<Confinement>> Make(Options* options);

  // Cleans.
  ~Confinement();
  Confinement(const Confinement&) = delete;
  Confinement& operator=(const Confinement&) = delete;

  // Makes the domains of the plan, and the supervisor.
  absl::Status Prepare(Plan* plan);

  // Called once init runs, which has the domains by then.
  void SetInit(pid_t init);

  Supervisor* supervisor() const { return supervisor_.get(); }

  // Ends those whom a killed init has left to this process, which adopts
  // orphans: only where AdoptOrphans() was called.
  void EndOrphans() const;
  // Ends all that descend from `ancestor` until that is gone itself.
  static void EndBelow(pid_t ancestor, int pidfd);
  // Has this process adopt the orphans of init, should it be killed. For
  // processes without other children.
  void AdoptOrphans();

  // Removes the directory, and what the command has left elsewhere, whose names
  // are returned.
  std::vector<std::string> Clean();

  // For a child of the caller's: leaves everything where it is.
  void Disown();

 private:
  Confinement() = default;

  std::string scratch_;
  UniqueFd ledger_;
  Domains domains_;
  std::unique_ptr<Supervisor> supervisor_;
  bool adopts_ = false;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_CONFINEMENT_H_
