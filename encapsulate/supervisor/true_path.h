// SPDX-License-Identifier: Apache-2.0
//
// What the kernel calls a file (PathOf()) is a text, and may be another file's
// path by the time it is read: the file was removed, and its name given away
// with " (deleted)" behind it, or it lies in another mount namespace. So the
// text is looked up, and counts only if it leads to that very file.
#ifndef ENCAPSULATE_SUPERVISOR_TRUE_PATH_H_
#define ENCAPSULATE_SUPERVISOR_TRUE_PATH_H_

#include <string>

namespace encapsulate {

// Whether `path`, from the directory on, leads to what `fd` stands for, without
// symbolic links, and without leaving the directory. The directory may be
// AT_FDCWD, for an absolute path. Takes openat2(2), Linux 5.6.
bool LeadsTo(int directory, const std::string& path, int fd);

// The absolute path that leads to what `fd` stands for; "" if there is none.
std::string TruePathOf(int fd);

}  // namespace encapsulate

#endif  // ENCAPSULATE_SUPERVISOR_TRUE_PATH_H_
