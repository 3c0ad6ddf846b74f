// SPDX-License-Identifier: Apache-2.0
//
// What the overlays of a sandbox have caught. For init: no heap, no locks.
#ifndef ENCAPSULATE_CHILD_OVERLAY_CHANGES_H_
#define ENCAPSULATE_CHILD_OVERLAY_CHANGES_H_

#include "encapsulate/plan/child_plan.h"

namespace encapsulate {

// Sends kChange on `control` for everything in the upper directories, which lie
// in `stage`. Nobody else is left inside. False, with errno, if something can't
// be looked at.
bool ReportOverlayChanges(const ChildPlan& plan, const ChildNotes& notes,
                          int stage, int control);

}  // namespace encapsulate

#endif  // ENCAPSULATE_CHILD_OVERLAY_CHANGES_H_
