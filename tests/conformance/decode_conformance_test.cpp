// What is taken and cannot be decoded is not lost: over every transport it is where it was.
#include <chrono>
#include <new>
#include <string>
#include <vector>

#include <steward/core/errors.hpp>
#include <steward/tests/conformance/transports.hpp>

namespace steward::detail::test {

using namespace std::chrono_literals;

// What has no memory left when it is decoded.
struct Unlucky {
  template <class Packer>
  void msgpack_pack(Packer& packer) const {
    packer.pack(1);
  }
  void msgpack_unpack(const msgpack::object&) { throw std::bad_alloc(); }
};

template <class Transport>
class DecodeConformance : public ConformanceTest<Transport> {
 protected:
  // What is left of "a" and "b" after `take` has tried and failed: in their order, and flagged as
  // items that somebody had before if `flagged` (a taker of several has perhaps had all of them).
  template <class Exception, class T, class Take>
  void expect_left(std::vector<bool> flagged, Take take) {
    const Queue<std::string> texts = this->manager().template queue<std::string>(named("q"));
    const Queue<T> wrong = this->manager().template queue<T>(named("q"));
    texts.put_many({"a", "b"});
    EXPECT_THROW(take(wrong), Exception);
    ASSERT_EQ(texts.size(), 2U);
    std::size_t i = 0;
    for (const std::string expected : {"a", "b"}) {
      auto one = texts.reserve(30s);
      EXPECT_EQ(one.value(), expected);
      EXPECT_EQ(one.redelivered(), flagged[i++]) << expected;
      EXPECT_TRUE(one.ack());
    }
    EXPECT_TRUE(texts.empty());
    this->manager().remove("q");
  }
};
TYPED_TEST_SUITE(DecodeConformance, QueueTransports, TransportNames);

TYPED_TEST(DecodeConformance, GetLosesNothing) {
  this->template expect_left<BadCall, int>({true, false}, [](const auto& q) { q.get(); });
}
TYPED_TEST(DecodeConformance, TryGetLosesNothing) {
  this->template expect_left<BadCall, int>({true, false}, [](const auto& q) { q.try_get(); });
}
TYPED_TEST(DecodeConformance, GetForLosesNothing) {
  this->template expect_left<BadCall, int>({true, false}, [](const auto& q) { q.get_for(1s); });
}
TYPED_TEST(DecodeConformance, TakeLosesNothing) {
  this->template expect_left<BadCall, int>({true, false}, [](const auto& q) { q.take(); });
}
TYPED_TEST(DecodeConformance, GetManyLosesNothing) {
  this->template expect_left<BadCall, int>({true, false}, [](const auto& q) { q.get_many(1); });
}
TYPED_TEST(DecodeConformance, ReserveLosesNothing) {
  this->template expect_left<BadCall, int>({true, false}, [](const auto& q) { q.reserve(30s); });
}
TYPED_TEST(DecodeConformance, NorIsAnythingLostForWantOfMemory) {
  this->template expect_left<std::exception, Unlucky>({true, false},
                                                      [](const auto& q) { q.get(); });
}

TYPED_TEST(DecodeConformance, OfSeveralNoneIsLost) {
  const Queue<std::string> texts = this->manager().template queue<std::string>(named("q"));
  const Queue<int> wrong = this->manager().template queue<int>(named("q"));
  texts.put_many({"a", "b", "c"});
  EXPECT_THROW(wrong.get_many(2), BadCall);
  EXPECT_EQ(texts.get_many(5), (std::vector<std::string>{"a", "b", "c"}));
  this->manager().remove("q");
}

// The grant goes back as well, and once: nothing is left of the object.
TYPED_TEST(DecodeConformance, AHandleInWhatCannotBeDecodedStaysWithIt) {
  const auto texts = this->manager().template queue<std::vector<Value>>(named("q"));
  const Queue<int> wrong = this->manager().template queue<int>(named("q"));
  {
    const List<int> list = this->manager().template list<int>({5});
    texts.put({Value(list), Value(1)});
  }
  EXPECT_THROW(wrong.get(), BadCall);
  EXPECT_THROW(wrong.try_get(), BadCall);
  const std::vector<Value> values = texts.get();
  EXPECT_EQ(values.at(0).as<List<int>>().at(0), 5);
  this->manager().remove("q");
}

}  // namespace steward::detail::test
