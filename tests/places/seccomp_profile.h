// SPDX-License-Identifier: Apache-2.0
//
// Docker's seccomp profiles, as far as those of this project go.
//
//   SeccompProfile profile;
//   std::string error;
//   if (profile.Read(text, &error)) profile.Filter().Load();
#ifndef TESTS_PLACES_SECCOMP_PROFILE_H_
#define TESTS_PLACES_SECCOMP_PROFILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tests/places/call_filter.h"

namespace encapsulate::places {

class SeccompProfile {
 public:
  // False, with what is wrong, if `text` isn't such a profile. Whatever isn't
  // understood is wrong.
  bool Read(absl::string_view text, std::string* error);

  // As a container's runtime makes it: names that this machine's kernel headers
  // don't know are left out, and calls newer than those fail with ENOSYS.
  CallFilter Filter() const;

  // Takes a call out of all rules; false if it is in none.
  bool Forbid(const std::string& name);

 private:
  struct Rule {
    std::vector<std::string> names;
    bool compares = false;
    int index = 0;
    CallFilter::Is is = CallFilter::Is::kEqual;
    uint32_t value = 0;
  };

  int otherwise_ = 0;  // the errno of what no rule allows
  std::vector<Rule> rules_;
};

// The number of a call of this machine; -1 if there is none of that name.
long CallNumber(absl::string_view name);

}  // namespace encapsulate::places

#endif  // TESTS_PLACES_SECCOMP_PROFILE_H_
