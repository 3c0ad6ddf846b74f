// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/monitor/name_server.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

constexpr int kA = 1;
constexpr int kPtr = 12;
constexpr int kTxt = 16;
constexpr int kAaaa = 28;

std::string Encode(absl::string_view name) {
  std::string bytes;
  for (absl::string_view label : absl::StrSplit(name, '.')) {
    bytes.push_back(static_cast<char>(label.size()));
    absl::StrAppend(&bytes, label);
  }
  bytes.push_back('\0');
  return bytes;
}

// A query that wants recursion, with id "ID".
std::string Query(const std::string& encoded, int type) {
  std::string query("ID\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
  absl::StrAppend(&query, encoded);
  query.append({'\0', static_cast<char>(type), '\0', '\1'});
  return query;
}

struct Answered {
  std::string bytes;
  Question question;
  std::string asked;
  int code() const { return bytes[3] & 0x0f; }
};

Answered Ask(const std::string& query) {
  Answered answered;
  answered.bytes = AnswerDns(query, "Machine", &answered.question);
  answered.asked = answered.question.name;
  return answered;
}

TEST(NameServerTest, KnowsNobodyAndTellsWhoWasAskedFor) {
  const std::string query = Query(Encode("www.Example.COM"), kA);
  const Answered answered = Ask(query);
  EXPECT_EQ(answered.asked, "www.example.com");
  EXPECT_EQ(answered.question.type, kA);
  // The query, as a response (0x81), with recursion (0x80) and NXDOMAIN (3).
  std::string wanted = query;
  wanted[2] = '\x81';
  wanted[3] = '\x83';
  EXPECT_EQ(answered.bytes, wanted);
}

TEST(NameServerTest, LeavesAnExtensionOutOfItsAnswer) {
  std::string query = Query(Encode("example.com"), kA);
  const size_t size = query.size();
  query[11] = 1;
  query.append("\0\0\x29\x04\xd0\0\0\0\0\0\0", 11);  // EDNS (RFC 6891)
  const Answered answered = Ask(query);
  EXPECT_EQ(answered.asked, "example.com");
  EXPECT_EQ(answered.code(), 3);
  EXPECT_EQ(answered.bytes.size(), size);
  EXPECT_EQ(answered.bytes[11], 0);
}

TEST(NameServerTest, KnowsLoopback) {
  const struct {
    const char* name;
    int type;
    std::string data;
  } cases[] = {
      {"localhost", kA, std::string("\x7f\0\0\1", 4)},
      {"LocalHost", kAaaa, std::string(15, '\0') + '\1'},
      {"a.localhost", kA, std::string("\x7f\0\0\1", 4)},
      {"machine", kA, std::string("\x7f\0\0\1", 4)},
      {"1.0.0.127.in-addr.arpa", kPtr, Encode("localhost")},
      {"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6."
       "arpa",
       kPtr, Encode("localhost")},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const std::string query = Query(Encode(c.name), c.type);
    const Answered answered = Ask(query);
    EXPECT_EQ(answered.asked, "");
    EXPECT_EQ(answered.code(), 0);
    std::string record("\xc0\x0c", 2);
    record.append({'\0', static_cast<char>(c.type), '\0', '\1', '\0', '\0',
                   '\0', '\0', '\0', static_cast<char>(c.data.size())});
    EXPECT_EQ(answered.bytes.substr(query.size()), record + c.data);
  }
}

TEST(NameServerTest, HasNoOtherRecordsOfLoopback) {
  const std::string query = Query(Encode("localhost"), kTxt);
  const Answered answered = Ask(query);
  EXPECT_EQ(answered.asked, "");
  EXPECT_EQ(answered.code(), 0);
  EXPECT_EQ(answered.bytes.size(), query.size());
  EXPECT_EQ(Ask(Query(Encode("notlocalhost"), kA)).asked, "notlocalhost");
}

TEST(NameServerTest, ShowsOddBytesOfNames) {
  EXPECT_EQ(Ask(Query(std::string("\x04"
                                  "a. \xff\0",
                                  6),
                      kA))
                .asked,
            "a\\046\\032\\255");
  EXPECT_EQ(Ask(Query(std::string(1, '\0'), kA)).asked, ".");
}

TEST(NameServerTest, RefusesWhatItCannotRead) {
  const std::string query = Query(Encode("example.com"), kA);
  // Cut anywhere, it is no question.
  for (size_t size = 12; size < query.size(); ++size) {
    const Answered answered = Ask(query.substr(0, size));
    EXPECT_EQ(answered.code(), 1) << size;
    EXPECT_EQ(answered.bytes.size(), 12U);
    EXPECT_EQ(answered.asked, "");
  }
  EXPECT_EQ(Ask(Query(std::string("\xc0\x0c", 2), kA)).code(), 1);
  std::string two = query;
  two[5] = 2;
  EXPECT_EQ(Ask(two).code(), 1);
  std::string update = query;
  update[2] = 0x28;
  EXPECT_EQ(Ask(update).code(), 4);
}

TEST(NameServerTest, SaysNothingToWhatIsNoQuery) {
  std::string response = Query(Encode("example.com"), kA);
  response[2] = '\x81';
  EXPECT_EQ(Ask(response).bytes, "");
  for (size_t size = 0; size < 12; ++size) {
    EXPECT_EQ(Ask(response.substr(0, size)).bytes, "");
  }
}

}  // namespace
}  // namespace encapsulate
