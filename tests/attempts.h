// The attempts to reach out that violations_test makes in every way, and the
// program `attempt` when it is executed.
#ifndef TESTS_ATTEMPTS_H_
#define TESTS_ATTEMPTS_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace encapsulate {

// What an attempt is made on: something outside, or its harmless twin.
struct Aim {
  bool outside;
  std::string tree;   // holds what Populate() makes
  std::string other;  // a writable one
  const char* ipv4;
  const char* ipv6;
  pid_t pid;
  // A file of the tree.
  std::string operator/(const char* name) const {
    return absl::StrCat(tree, "/", name);
  }
};

struct Attempt {
  const char* name;
  // Its records, a line each: "rule call(arguments) -> target: ERRNO". $T is
  // the tree, $W the writable one.
  const char* records;
  std::function<void(const Aim&)> make;
  // Whether the kernel may not have the call, which then leaves no record.
  bool optional = false;
  // Whether stopping behind the call keeps it from running, as with fork(2).
  bool predicted = false;
};

const std::vector<Attempt>& Attempts();

}  // namespace encapsulate

#endif  // TESTS_ATTEMPTS_H_
