// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/allow_pattern.h"

#include <string>
#include <vector>

#include "encapsulate/violations.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

struct Case {
  Rule rule;
  const char* target;
  const char* pattern;
};

TEST(AllowPatternTest, WhatTheNextRunHasOtherwiseIsLeftOut) {
  const std::vector<Case> cases = {
      {Rule::kWrite, "/tmp/hsperfdata_root/3", "/tmp/hsperfdata_root/*"},
      {Rule::kWrite, "/srv/hs_err_pid3.log", "/srv/hs_err_pid*.log"},
      {Rule::kWrite, "/srv/core.17", "/srv/core.*"},
      {Rule::kWrite, "/srv/build-7/out", "/srv/build-*/out"},
      {Rule::kWrite, "/srv/x_12", "/srv/x_*"},
      {Rule::kWrite, "/root/.npm/_logs/2024-05-06T07_08_09_123Z-debug-0.log",
       "/root/.npm/_logs/*-debug-*.log"},
      {Rule::kWrite, "/srv/2024.05.06.log", "/srv/*.log"},
      {Rule::kWrite, "/srv/dump-1717171717.123-4.json", "/srv/dump-*.json"},
      {Rule::kWrite, "/srv/1717171717.tmp", "/srv/*.tmp"},
      {Rule::kWrite, "/srv/run20240506", "/srv/run*"},
      {Rule::kWrite, "/srv/go-build123456789/b001/x", "/srv/go-build*/b001/x"},
      {Rule::kWrite, "/srv/3f2a91bc", "/srv/*"},
      {Rule::kWrite, "/srv/.tmp-0c9e8f7a6b5d4e3f.o", "/srv/.tmp-*.o"},
      {Rule::kWrite, "/srv/550e8400-e29b-41d4-a716-446655440000.db",
       "/srv/*.db"},
      {Rule::kWrite, "/etc/sedQ3b9Zx", "/etc/*"},
      {Rule::kWrite, "/tmp/sihw02u2", "/tmp/*"},
      {Rule::kHostSocket, "/run/user/1000/bus", "/run/user/*/bus"},
      {Rule::kFifo, "/srv/pipe.4711", "/srv/pipe.*"},
      {Rule::kDevice, "/dev/pts/3", "/dev/pts/*"},
      {Rule::kPrivilege, "/srv/mnt-8123", "/srv/mnt-*"},
      {Rule::kSignal, "pid 4711", "pid *"},
      {Rule::kSignal, "process group 4711", "process group *"},
      {Rule::kTrace, "pid 7", "pid *"},
      {Rule::kName, "build-20240506.example.com", "build-*.example.com"},
      {Rule::kName, "0c9e8f7a6b5d4e3f.example.com", "*.example.com"},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(AllowPattern(one.rule, one.target), one.pattern);
  }
}

TEST(AllowPatternTest, TheRestStays) {
  const std::vector<Case> cases = {
      {Rule::kWrite, "/usr/lib/python3.11/x.py", ""},
      {Rule::kWrite, "/opt/app-1.2.3/lib", ""},
      {Rule::kWrite, "/etc/x86_64/i386/md5", ""},
      {Rule::kWrite, "/srv/deadbeef", ""},
      {Rule::kWrite, "/srv/facade/Readme2", ""},
      {Rule::kWrite, "/", ""},
      {Rule::kWrite, "", ""},
      {Rule::kDevice, "/dev/sda1", ""},
      {Rule::kDevice, "/dev/nvme0n1", ""},
      {Rule::kNetwork, "192.0.2.1:8080", ""},
      {Rule::kNetwork, "[2001:db8::1]:44300", ""},
      {Rule::kName, "db-17.example.com", ""},
      {Rule::kName, "1.2.0.192.in-addr.arpa", ""},
      {Rule::kSocketFamily, "AF_VSOCK", ""},
      {Rule::kPrivilege, "CLOCK_REALTIME", ""},
      {Rule::kSignal, "every process", ""},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(AllowPattern(one.rule, one.target), one.target);
  }
}

}  // namespace
}  // namespace encapsulate
