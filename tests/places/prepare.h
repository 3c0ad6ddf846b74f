// SPDX-License-Identifier: Apache-2.0
//
// Changes what a process finds on its host, for tests. All are for a child
// process of a test: what fails ends it, with a message and exit code 99.
#ifndef TESTS_PLACES_PREPARE_H_
#define TESTS_PLACES_PREPARE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace encapsulate::places {

// Ends the process unless `result` is at least 0.
void MustWork(long result, const char* what);

// Makes a system call fail with `error` from now on, in this process and all
// that it starts. With `argument_mask`, only if the first argument has one of
// these bits.
void FailCall(long number, int error, unsigned long argument_mask = 0);

// Goes into a user and mount namespace of its own in which ids are as before
// and every capability is held, to change what the host looks like.
void BecomeHost();

// The same, and gives that up, on a host whose /proc/sys/kernel has this one
// setting. Others than root can't make a fresh /proc there, which is how
// AppArmor's refusal looks too.
void BecomeHostWith(const char* setting, const char* value);

// Has /proc/sys/kernel hold this one setting. Takes BecomeHost().
void ShowSetting(const char* setting, const char* value);

void WriteFile(const std::string& path, absl::string_view text);

// A tmpfs that nobody writes to over `path`.
void CoverWithTmpfs(const char* path);
// The same in the procfs and sysfs of every chroot.
void CoverInChroots(const std::string& path);

// Gives up what BecomeHost() gave.
void DropCapabilities();

}  // namespace encapsulate::places

#endif  // TESTS_PLACES_PREPARE_H_
