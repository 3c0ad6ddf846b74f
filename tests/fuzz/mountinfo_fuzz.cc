// SPDX-License-Identifier: Apache-2.0
//
// A mount table, with paths that a program chose.
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>

#include "encapsulate/kernel/mountinfo.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int file = memfd_create("mountinfo", MFD_CLOEXEC);
  static auto* const reader = new encapsulate::MountInfoReader;
  if (ftruncate(file, 0) != 0 ||
      pwrite(file, data, size, 0) != static_cast<ssize_t>(size)) {
    return 0;
  }
  lseek(file, 0, SEEK_SET);
  reader->Start(file);
  encapsulate::MountInfo mount;
  while (reader->Next(&mount)) {
    for (const char* text : {mount.root, mount.point, mount.options, mount.type,
                             mount.super_options}) {
      FUZZ_CHECK(strlen(text) <= size);
    }
    mount.Has("ro");
    encapsulate::HasWord(mount.super_options, "rw");
  }
  const int error = reader->error();
  FUZZ_CHECK(error == 0 || error == EPROTO || error == E2BIG);
  return 0;
}
