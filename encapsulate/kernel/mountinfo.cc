// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/kernel/mountinfo.h"

#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "encapsulate/kernel/text.h"

namespace encapsulate {
namespace {

// Cuts the next word off `rest`; null if there is none.
char* TakeWord(char** rest) {
  if (*rest == nullptr || **rest == '\0') return nullptr;
  char* word = *rest;
  char* space = strchr(word, ' ');
  if (space != nullptr) *space = '\0';
  *rest = space != nullptr ? space + 1 : nullptr;
  return word;
}

bool IsOctal(char c) { return c >= '0' && c <= '7'; }

// The kernel writes space, tab, newline, backslash and '#' as \ooo.
void UndoEscapes(char* text) {
  char* out = text;
  for (const char* in = text; *in != '\0'; ++out) {
    if (in[0] == '\\' && IsOctal(in[1]) && IsOctal(in[2]) && IsOctal(in[3])) {
      *out = static_cast<char>((in[1] - '0') * 64 + (in[2] - '0') * 8 +
                               (in[3] - '0'));
      in += 4;
    } else {
      *out = *in++;
    }
  }
  *out = '\0';
}

bool Parse(char* line, MountInfo* mount) {
  char* rest = line;
  const char* id = TakeWord(&rest);
  const char* parent = TakeWord(&rest);
  char* device = TakeWord(&rest);
  char* root = TakeWord(&rest);
  char* point = TakeWord(&rest);
  const char* options = TakeWord(&rest);
  if (options == nullptr) return false;
  char* colon = strchr(device, ':');
  if (colon == nullptr) return false;
  // Optional fields, up to a lone dash.
  const char* word;
  do {
    word = TakeWord(&rest);
    if (word == nullptr) return false;
  } while (strcmp(word, "-") != 0);
  const char* type = TakeWord(&rest);
  TakeWord(&rest);  // the source
  const char* super_options = TakeWord(&rest);
  if (super_options == nullptr) return false;
  UndoEscapes(root);
  UndoEscapes(point);
  mount->id = static_cast<int>(NumberIn(id));
  mount->parent = static_cast<int>(NumberIn(parent));
  mount->device = makedev(static_cast<unsigned>(NumberIn(device)),
                          static_cast<unsigned>(NumberIn(colon + 1)));
  mount->root = root;
  mount->point = point;
  mount->options = options;
  mount->type = type;
  mount->super_options = super_options;
  return true;
}

}  // namespace

bool HasWord(const char* list, const char* name) {
  const size_t length = strlen(name);
  for (const char* word = list; word != nullptr;) {
    if (strncmp(word, name, length) == 0 &&
        (word[length] == ',' || word[length] == '\0')) {
      return true;
    }
    word = strchr(word, ',');
    if (word != nullptr) ++word;
  }
  return false;
}

bool MountInfo::Has(const char* name) const { return HasWord(options, name); }

void MountInfoReader::Start(int fd) {
  fd_ = fd;
  at_end_ = false;
  begin_ = end_ = 0;
  error_ = lseek(fd, 0, SEEK_SET) == 0 ? 0 : errno;
}

char* MountInfoReader::NextLine() {
  for (;;) {
    char* line = buffer_ + begin_;
    char* newline = static_cast<char*>(memchr(line, '\n', end_ - begin_));
    if (newline != nullptr) {
      *newline = '\0';
      begin_ = static_cast<size_t>(newline - buffer_) + 1;
      return line;
    }
    if (at_end_) {
      if (begin_ != end_) error_ = EPROTO;  // a torn last line
      return nullptr;
    }
    memmove(buffer_, line, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    if (end_ == sizeof(buffer_)) {
      error_ = E2BIG;
      return nullptr;
    }
    const ssize_t size = read(fd_, buffer_ + end_, sizeof(buffer_) - end_);
    if (size < 0) {
      if (errno == EINTR) continue;
      error_ = errno;
      return nullptr;
    }
    at_end_ = size == 0;
    end_ += static_cast<size_t>(size);
  }
}

bool MountInfoReader::Next(MountInfo* mount) {
  if (error_ != 0) return false;
  char* line = NextLine();
  if (line == nullptr) return false;
  if (Parse(line, mount)) return true;
  error_ = EPROTO;
  return false;
}

}  // namespace encapsulate
