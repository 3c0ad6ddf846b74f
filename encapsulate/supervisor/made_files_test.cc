// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/supervisor/made_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/child/ledger.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/files.h"

namespace encapsulate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class MadeFilesTest : public testing::Test {
 protected:
  MadeFilesTest() : ledger_(memfd_create("ledger", MFD_CLOEXEC)) {
    EXPECT_NE(mkdtemp(&root_[0]), nullptr);
    made_.emplace(std::vector<std::string>{root_, root_ + "/inner"},
                  ledger_.get());
    EXPECT_EQ(mkdir((root_ + "/inner").c_str(), 0700), 0);
  }
  ~MadeFilesTest() override { RemoveTree(AT_FDCWD, root_.c_str()); }

  bool Has(const std::string& path) const {
    const UniqueFd file(open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    return file.valid() && made_->Has(path, file.get());
  }

  std::string MakeFile(const std::string& name) const {
    const std::string path = root_ + "/" + name;
    std::ofstream(path) << "x";
    return path;
  }

  std::string root_ = "/tmp/made_files_test.XXXXXX";
  const UniqueFd ledger_;
  absl::optional<MadeFiles> made_;
};

TEST_F(MadeFilesTest, KnowsTheEntryOfARoot) {
  EXPECT_TRUE(made_->IsRoot(root_));
  EXPECT_FALSE(made_->IsRoot(root_ + "/a"));
  EXPECT_EQ(made_->TopOf(root_ + "/a"), root_ + "/a");
  EXPECT_EQ(made_->TopOf(root_ + "/a/b/c"), root_ + "/a");
  // The inner root is no entry of the outer one.
  EXPECT_EQ(made_->TopOf(root_ + "/inner/a/b"), root_ + "/inner/a");
  EXPECT_EQ(made_->TopOf(root_ + "/inner"), "");
  EXPECT_EQ(made_->TopOf(root_), "");
  EXPECT_EQ(made_->TopOf(root_ + "-other/a"), "");
  EXPECT_EQ(made_->TopOf("/elsewhere"), "");
  EXPECT_EQ(made_->TopOf(""), "");
}

TEST_F(MadeFilesTest, HasWhatWasMadeAndWhatIsBelow) {
  const std::string path = root_ + "/tree";
  ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
  EXPECT_FALSE(Has(path));
  made_->Add(path);
  EXPECT_TRUE(Has(path));
  ASSERT_EQ(mkdir((path + "/below").c_str(), 0700), 0);
  MakeFile("tree/below/it");
  EXPECT_TRUE(Has(path + "/below/it"));
  const std::string other = MakeFile("other");
  EXPECT_FALSE(Has(other));
  EXPECT_FALSE(Has(root_));
  EXPECT_FALSE(Has(root_ + "/nothing"));
}

TEST_F(MadeFilesTest, NamesWhatItRemoves) {
  const std::string second = MakeFile("b");
  const std::string first = MakeFile("a");
  const std::string other = MakeFile("other");
  made_->Add(second);
  made_->Add(first);
  made_->Add(first + "/below");  // nothing needs to be known of it
  EXPECT_THAT(made_->RemoveAll(), ElementsAre(first, second));
  EXPECT_FALSE(Exists(first));
  EXPECT_FALSE(Exists(second));
  EXPECT_TRUE(Exists(other));
  EXPECT_THAT(made_->RemoveAll(), IsEmpty());
}

TEST_F(MadeFilesTest, KnowsFilesByWhatTheyAre) {
  const std::string path = MakeFile("file");
  made_->Add(path);
  const std::string other = MakeFile("other");
  ASSERT_EQ(rename(other.c_str(), path.c_str()), 0);
  EXPECT_FALSE(Has(path));
  EXPECT_THAT(made_->RemoveAll(), IsEmpty());
  EXPECT_TRUE(Exists(path));
}

TEST_F(MadeFilesTest, FollowsARename) {
  const std::string path = MakeFile("file");
  made_->Add(path);
  const std::string moved = root_ + "/moved";
  ASSERT_EQ(rename(path.c_str(), moved.c_str()), 0);
  made_->Add(moved);
  EXPECT_TRUE(Has(moved));
  EXPECT_THAT(made_->RemoveAll(), ElementsAre(moved));
}

TEST_F(MadeFilesTest, LeavesWhatALinkLeadsTo) {
  const std::string other = MakeFile("other");
  const std::string link = root_ + "/link";
  ASSERT_EQ(symlink(other.c_str(), link.c_str()), 0);
  made_->Add(link);
  EXPECT_FALSE(Has(other));
  EXPECT_THAT(made_->RemoveAll(), ElementsAre(link));
  EXPECT_TRUE(Exists(other));
}

TEST_F(MadeFilesTest, HasAFileWithoutAName) {
  const UniqueFd unnamed(
      open(root_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!unnamed.valid()) GTEST_SKIP() << "/tmp has no O_TMPFILE";
  EXPECT_FALSE(made_->HasFile(unnamed.get()));
  made_->AddUnnamed(unnamed.get());
  EXPECT_TRUE(made_->HasFile(unnamed.get()));
  EXPECT_THAT(made_->RemoveAll(), IsEmpty());
}

TEST_F(MadeFilesTest, HasASocketOnceItIsBound) {
  const std::string path = root_ + "/socket";
  made_->AddSocketName(path);
  EXPECT_FALSE(Has(path));
  BindSocket(path);
  EXPECT_TRUE(Has(path));
  EXPECT_THAT(made_->RemoveAll(), ElementsAre(path));
  EXPECT_FALSE(Exists(path));
}

// Somebody else may have been quicker.
TEST_F(MadeFilesTest, TakesNoFileForASocket) {
  const std::string path = root_ + "/socket";
  made_->AddSocketName(path);
  MakeFile("socket");
  EXPECT_FALSE(Has(path));
  EXPECT_THAT(made_->RemoveAll(), IsEmpty());
  EXPECT_TRUE(Exists(path));
}

TEST_F(MadeFilesTest, WritesTheLedger) {
  const std::string file = MakeFile("file");
  const std::string other = MakeFile("other");
  made_->Add(file);
  const std::string socket = root_ + "/socket";
  made_->AddSocketName(socket);
  BindSocket(socket);
  RemoveAllOf(ledger_.get());
  EXPECT_FALSE(Exists(file));
  EXPECT_FALSE(Exists(socket));
  EXPECT_TRUE(Exists(other));
}

TEST_F(MadeFilesTest, LeavesAllThatItForgets) {
  const std::string file = MakeFile("file");
  made_->Add(file);
  made_->Forget();
  EXPECT_FALSE(Has(file));
  EXPECT_THAT(made_->RemoveAll(), IsEmpty());
  EXPECT_TRUE(Exists(file));
}

}  // namespace
}  // namespace encapsulate
