// Which objects a session refers to, and what goes back.
#include <gtest/gtest.h>

#include <new>
#include <vector>

#include <steward/client/session/references.hpp>

namespace steward::detail::test {
namespace {

using client::Grants;
using client::References;

core::ReferencePtr reference(std::uint64_t object) {
  core::Token token;
  token.object = core::ObjectId{object};
  token.type = "list";
  return std::make_shared<const core::Reference>(token);
}

TEST(KnownReferences, OweAllGrantsOfAnObjectWhenTheLastOneGoes) {
  References references;
  const core::ReferencePtr list = reference(7);
  references.granted(list);
  references.granted(list);
  EXPECT_EQ(references.find(core::ObjectId{7}), list);
  EXPECT_EQ(references.type(core::ObjectId{7}), "list");
  EXPECT_FALSE(references.owes());
  EXPECT_TRUE(references.released(*list));
  EXPECT_TRUE(references.empty());
  EXPECT_EQ(references.take_owed(10), (Grants{{core::ObjectId{7}, 2}}));
  EXPECT_FALSE(references.owes());
}

TEST(KnownReferences, MayTakeThePlaceOfOneThatIsDying) {
  References references;
  const core::ReferencePtr dying = reference(7);
  references.granted(dying);
  const core::ReferencePtr next = reference(7);
  references.granted(next);
  EXPECT_EQ(references.find(core::ObjectId{7}), next);
  EXPECT_FALSE(references.released(*dying)) << "the object is still in use";
  EXPECT_FALSE(references.owes());
  EXPECT_TRUE(references.released(*next));
  EXPECT_EQ(references.take_owed(10), (Grants{{core::ObjectId{7}, 2}}));
}

TEST(KnownReferences, CountForNothingAfterALostSessionUntilTheyAreClaimed) {
  References references;
  const core::ReferencePtr kept = reference(7);
  const core::ReferencePtr gone = reference(8);
  references.granted(kept);
  references.granted(gone);
  references.owe({{core::ObjectId{9}, 1}});
  references.lose();
  EXPECT_FALSE(references.owes());
  std::vector<core::ObjectId> claimed;
  const auto claim = [&](core::ObjectId object) {
    if (claimed.size() == 1) {
      claimed.push_back(object);
      throw std::bad_alloc();
    }
    claimed.push_back(object);
  };
  EXPECT_THROW(references.claim_lost(claim), std::bad_alloc);
  references.claim_lost(claim);
  references.claim_lost(claim);
  EXPECT_EQ(claimed, (std::vector{core::ObjectId{7}, core::ObjectId{8}, core::ObjectId{8}}))
      << "what could not be claimed is claimed next time";
  references.released(*gone);
  EXPECT_FALSE(references.owes()) << "it was not claimed yet";
  references.renewed(core::ObjectId{7});
  references.renewed(core::ObjectId{8});
  EXPECT_EQ(references.take_owed(10), (Grants{{core::ObjectId{8}, 1}}));
  references.released(*kept);
  EXPECT_EQ(references.take_owed(10), (Grants{{core::ObjectId{7}, 1}}));
}

TEST(KnownReferences, GoBackInPieces) {
  References references;
  for (std::uint64_t i = 0; i < 10; ++i) references.owe({{core::ObjectId{i}, 1}});
  EXPECT_EQ(references.take_owed(4).size(), 4U);
  EXPECT_EQ(references.take_owed(100).size(), 6U);
}

}  // namespace
}  // namespace steward::detail::test
