// SPDX-License-Identifier: Apache-2.0
//
// Runs a command in a place that forbids something, see places.h:
//
//   place PLACE[,PLACE...] COMMAND [ARGUMENT...]
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "tests/places/places.h"

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "place PLACE[,PLACE...] COMMAND [ARGUMENT...]\nPlaces:");
    for (encapsulate::places::Place place : encapsulate::places::AllPlaces()) {
      fprintf(stderr, " %s", encapsulate::places::PlaceName(place));
    }
    fprintf(stderr, "\n");
    return 99;
  }
  for (absl::string_view name : absl::StrSplit(argv[1], ',')) {
    const absl::optional<encapsulate::places::Place> place =
        encapsulate::places::PlaceOfName(name);
    if (!place.has_value()) {
      fprintf(stderr, "place: there is no place '%s'\n",
              std::string(name).c_str());
      return 99;
    }
    encapsulate::places::EnterPlace(*place);
  }
  execvp(argv[2], argv + 2);
  fprintf(stderr, "place: %s: %s\n", argv[2], strerror(errno));
  return 99;
}
