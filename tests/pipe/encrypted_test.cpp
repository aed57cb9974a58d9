// Connections over tcp with a key, and somebody in the middle: what he learns, and what he can do.
#include <algorithm>
#include <chrono>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/auth_key.hpp>
#include <steward/core/errors.hpp>
#include <steward/pipe/greeting.hpp>
#include <steward/pipe/listener.hpp>
#include <steward/pipe/records.hpp>
#include <steward/process/process.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/error_text.hpp>
#include <steward/tests/pipe/insider.hpp>
#include <steward/tests/pipe/meddler.hpp>
#include <steward/tests/shm/failing_new.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;
using detail::pipe::Records;
using detail::test::Insider;
using detail::test::Meddler;
using detail::test::RawTcp;
using detail::test::text_of;
using Pieces = std::vector<std::string>;

constexpr const char* kMeddled =
    "Connection.recv: what came is not what the other side had sent: somebody meddles with the "
    "connection, or it is another program's";

class Encrypted : public testing::Test {
 protected:
  using Ends = std::pair<Connection<std::string>, Connection<std::string>>;
  Ends through(const Meddler& meddler) {
    auto near = Connection<std::string>::connect(meddler.address(), {.key = key});
    return {std::move(near), listener.accept<std::string>()};
  }

  const std::string key = generate_key();
  Listener listener{"tcp://127.0.0.1:0", {.key = key}};
};

TEST_F(Encrypted, WhatIsSaidCannotBeReadOnTheWay) {
  Meddler meddler(listener.address());
  {
    auto [near, far] = through(meddler);
    near.send("a secret that is said");
    EXPECT_EQ(far.recv(), "a secret that is said");
    far.send("an answer to it");
    EXPECT_EQ(near.recv(), "an answer to it");
  }
  meddler.join();
  EXPECT_EQ(meddler.said_by_caller.find("secret"), std::string::npos);
  EXPECT_EQ(meddler.said_by_listener.find("answer"), std::string::npos);
  EXPECT_GT(meddler.said_by_caller.size(), 100U);
}

TEST_F(Encrypted, EveryByteOfARecordCounts) {
  // The length of a record with five bytes in it, the sealed piece, and the proof behind that.
  for (std::size_t place : {0U, 1U, 2U, 5U, 10U, 20U, 26U, 27U}) {
    Meddler meddler(listener.address(), [&](std::size_t index, std::string record) {
      if (index == 2) record.at(place) = static_cast<char>(record.at(place) ^ 1);
      return Pieces{record};
    });
    auto [near, far] = through(meddler);
    near.send("good");
    EXPECT_EQ(far.recv(), "good");
    near.send("evil");
    near.close();  // a longer record would be waited for
    const std::string text = text_of<Closed>([&far = far] { far.recv(); });
    if (place > 1) {
      EXPECT_EQ(text, kMeddled) << place;
    } else {
      EXPECT_FALSE(text.empty());
    }
    EXPECT_THROW(far.recv(), Closed);
    EXPECT_THROW(far.send("after that"), Closed);
  }
}

TEST_F(Encrypted, RecordsThatAreLeftOutOrRepeatedOrReorderedEndTheConnection) {
  std::string kept;
  const std::vector<Meddler::Change> changes{
      [](std::size_t index, std::string record) {
        return index == 2 ? Pieces{} : Pieces{std::move(record)};
      },
      [](std::size_t index, std::string record) {
        return index == 2 ? Pieces{record, record} : Pieces{record};
      },
      [&kept](std::size_t index, std::string record) {
        if (index == 2) kept = record;
        return index == 2 ? Pieces{} : index == 3 ? Pieces{record, kept} : Pieces{record};
      }};
  for (const Meddler::Change& change : changes) {
    Meddler meddler(listener.address(), change);
    auto [near, far] = through(meddler);
    near.send("one");
    EXPECT_EQ(far.recv(), "one");
    EXPECT_EQ(text_of<Closed>([&, &near = near, &far = far] {
                near.send("two");
                near.send("three");
                far.recv();
                EXPECT_EQ(&change, &changes[1]) << "the repeated one comes once";
                far.recv();
              }),
              kMeddled);
    EXPECT_TRUE(near.poll(10s)) << "its end is told";
    EXPECT_THROW(near.recv(), Closed);
  }
}

TEST_F(Encrypted, WhatTheListenerSaysIsGuardedAsWell) {
  Meddler meddler(listener.address(), Meddler::leave, [](std::size_t index, std::string record) {
    if (index == 1) record.back() = static_cast<char>(record.back() ^ 1);
    return Pieces{record};
  });
  auto [near, far] = through(meddler);
  far.send("evil");
  EXPECT_EQ(text_of<Closed>([&near = near] { near.recv(); }), kMeddled);
}

TEST_F(Encrypted, AWelcomeThatIsForgedIsNone) {
  Meddler meddler(listener.address(), Meddler::leave, [](std::size_t, std::string record) {
    record.back() = static_cast<char>(record.back() ^ 1);
    return Pieces{record};
  });
  EXPECT_EQ(text_of<AuthenticationError>([&] {
              Connection<int>::connect(meddler.address(), {.key = key});
            }),
            "the Listener at " + meddler.address() +
                " refused the connection: it has shown no proof that it holds this key");
  EXPECT_THROW(listener.accept<int>().recv(), Closed);
}

TEST_F(Encrypted, ARecordedConversationGetsNobodyIn) {
  Meddler meddler(listener.address());
  {
    auto [near, far] = through(meddler);
    near.send("transfer a thousand");
    EXPECT_EQ(far.recv(), "transfer a thousand");
  }
  meddler.join();
  for (int i = 0; i < 3; ++i) {
    RawTcp again(listener.address());
    again.says(meddler.said_by_caller);
    const std::string heard = again.hears_all();
    EXPECT_EQ(heard.size(), detail::pipe::kReplyBytes) << "a reply, and no welcome";
    EXPECT_NE(heard, meddler.said_by_listener.substr(0, heard.size()));
    EXPECT_FALSE(listener.try_accept<int>());
  }
}

TEST_F(Encrypted, ARecordedListenerGetsNobodyToSpeak) {
  Meddler meddler(listener.address());
  {
    auto [near, far] = through(meddler);
    far.send("the door code is 1234");
    EXPECT_EQ(near.recv(), "the door code is 1234");
  }
  meddler.join();
  detail::test::RawPort port;
  std::thread player([&] {
    RawTcp caller = port.accept();
    caller.says(meddler.said_by_listener);
    caller.hears_all();
  });
  EXPECT_THROW(Connection<int>::connect(port.address(), {.key = key}), AuthenticationError);
  player.join();
}

TEST_F(Encrypted, TheSameWordsNeverLookTheSame) {
  std::vector<std::string> said;
  for (int i = 0; i < 2; ++i) {
    Meddler meddler(listener.address());
    {
      auto [near, far] = through(meddler);
      for (int times = 0; times < 2; ++times) {
        near.send("the same words");
        EXPECT_EQ(far.recv(), "the same words");
        far.send("the same words");
        EXPECT_EQ(near.recv(), "the same words");
      }
    }
    meddler.join();
    for (const std::string& all : {meddler.said_by_caller, meddler.said_by_listener}) {
      const std::size_t record = 2 + 17 + 4 + 15;
      said.push_back(all.substr(all.size() - record));
      said.push_back(all.substr(all.size() - 2 * record, record));
    }
  }
  std::sort(said.begin(), said.end());
  EXPECT_EQ(std::adjacent_find(said.begin(), said.end()), said.end());
}

TEST_F(Encrypted, ACutIsAnEndAndNotAWord) {
  Meddler meddler(listener.address(), [](std::size_t index, std::string record) {
    return index < 3 ? Pieces{std::move(record)} : Pieces{};
  });
  auto [near, far] = through(meddler);
  near.send("whole");
  near.send(std::string(100'000, 'x'));  // several records, of which one arrives
  near.close();
  EXPECT_EQ(far.recv(), "whole");
  EXPECT_EQ(text_of<Closed>([&far = far] { far.recv(); }),
            "Connection.recv: the other side ended in the middle of a message");
}

// ---- One who has the key, and does not do what he should ----

TEST_F(Encrypted, WhoProvesNothingIsNotLetIn) {
  Insider silent(listener, key);
  Insider wrong(listener, key);
  wrong.raw().says(Insider::with_length(std::string(21, 'x')));
  EXPECT_EQ(wrong.raw().hears_all(), "");
  Insider talkative(listener, key);
  talkative.says(std::string("\0\0\0\1x", 5));
  EXPECT_EQ(talkative.raw().hears_all(), "") << "the first message has to be empty";
  EXPECT_FALSE(listener.try_accept<int>());
}

TEST_F(Encrypted, RecordsThatAreNoneEndTheConnection) {
  const std::vector<std::string> records{
      std::string("\0\0", 2), std::string("\0\x11", 2) + std::string(17, 'x'),
      std::string("\xff\xff", 2), std::string("\x80\x12", 2)};
  for (const std::string& record : records) {
    Insider insider(listener, key);
    insider.prove();
    auto bad = listener.accept<std::string>();
    insider.raw().says(record);
    EXPECT_EQ(text_of<Closed>([&] { bad.recv(); }), kMeddled);
  }
}

TEST_F(Encrypted, ARecordThatGoesBeyondItsMessageEndsTheConnection) {
  Insider insider(listener, key);
  insider.prove();
  auto bad = listener.accept<std::string>();
  insider.says(std::string("\0\0\0\2\xa1x", 6));
  EXPECT_EQ(bad.recv(), "x");
  insider.says(std::string("\0\0\0\2\xa1y\0\0", 8));
  EXPECT_EQ(text_of<Closed>([&] { bad.recv(); }), kMeddled);
}

TEST_F(Encrypted, RecordsThatAreNotFullEndTheirMessageOrTheConnection) {
  const std::string head("\0\0\0\3", 4);
  const std::string large("\0\0\x9c\x40", 4);  // 40,000 bytes: two records
  const std::vector<std::string> first{head.substr(0, 1), head, head + "\xa2x",
                                       large + std::string(Records::kBytesMost - 5, 'x')};
  for (const std::string& record : first) {
    Insider insider(listener, key);
    insider.prove();
    auto bad = listener.accept<std::string>();
    insider.says(record);
    EXPECT_EQ(text_of<Closed>([&] { bad.recv(); }), kMeddled) << record.size();
  }
}

TEST_F(Encrypted, AMessageMayComeInPiecesOfAnySize) {
  Insider insider(listener, key);
  insider.prove();
  auto far = listener.accept<std::string>();
  for (const char byte : insider.sealed(std::string("\0\0\0\3\xa2xy", 7))) {
    EXPECT_FALSE(far.poll());
    insider.raw().says(std::string(1, byte));
  }
  EXPECT_EQ(far.recv(), "xy");
}

// ---- Where memory ends ----

TEST_F(Encrypted, AFailingAllocationLosesNothing) {
  auto near = Connection<std::string>::connect(listener.address(), {.key = key});
  auto far = listener.accept<std::string>();
  const std::string message(100'000, 'x');
  detail::test::at_each_allocation([&, &near = near, &far = far](std::size_t n) {
    std::thread sender([&] { near.send_bytes(message); });
    bool failed = false;
    try {
      const detail::test::FailingNew failing(n);
      try {
        far.recv_bytes();
      } catch (const std::bad_alloc&) {
        failed = true;
      }
    } catch (...) {
      ADD_FAILURE() << "another error, at allocation " << n;
    }
    if (failed) {
      EXPECT_EQ(far.recv_bytes(), message) << n;
    }
    sender.join();
    return failed && n < 100;
  });
  far.send("and back");
  EXPECT_EQ(near.recv(), "and back");
}

// ---- After a fork: one key must not encrypt two texts ----

TEST_F(Encrypted, AfterAForkItBelongsToTheOneWhoUsesItFirst) {
  auto near = Connection<std::string>::connect(listener.address(), {.key = key});
  auto far = listener.accept<std::string>();
  far.send("heard before");
  EXPECT_EQ(near.recv(), "heard before");
  detail::test::Forked child([&](int out) {
    far.close();
    near.send("from the child");
    EXPECT_EQ(near.recv(), "to the child");
    ::dprintf(out, "done\n");
    ::poll(nullptr, 0, -1);
    return 0;
  });
  EXPECT_EQ(far.recv(), "from the child");
  far.send("to the child");
  ASSERT_EQ(child.line(), "done");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(text_of<Closed>([&] { near.send("from the parent"); }),
              "Connection.send: another process has this end, too, and goes on with it");
    EXPECT_EQ(text_of<Closed>([&] { near.recv(); }),
              "Connection.recv: another process has this end, too, and goes on with it");
  }
  EXPECT_FALSE(far.poll()) << "nothing of the parent's has come";
}

TEST_F(Encrypted, TheParentMayGoOnAndTheCopyIsRefused) {
  auto near = Connection<std::string>::connect(listener.address(), {.key = key});
  auto far = listener.accept<std::string>();
  detail::test::Forked child([&](int) {
    if (far.recv() != "go") return 1;
    try {
      near.send("from the child");
    } catch (const Closed&) {
      return 0;
    }
    return 2;
  });
  near.send("go");
  EXPECT_EQ(child.join(), 0);
}

struct NeverRead {
  template <class Packer>
  void msgpack_pack(Packer& packer) const {
    packer.pack(1);
  }
  void msgpack_unpack(const msgpack::object&) { throw BadCall("never read"); }
};
void take_both(Connection<std::string>, NeverRead) {}

TEST_F(Encrypted, AnEndGoesAlongWithOneProcessOnly) {
  auto near = Connection<std::string>::connect(listener.address(), {.key = key});
  auto far = listener.accept<std::string>();
  Process child(take_both, std::move(far), NeverRead{});
  EXPECT_THROW(child.start(), BadCall);
  EXPECT_EQ(text_of<Closed>([&] { child.start(); }),
            "Connection: one over tcp with a key cannot be in two processes, and another one has "
            "this end, or was to be started with it and failed to");
}

TEST_F(Encrypted, WhatCannotBePackedGoesOnHere) {
  auto near = Connection<std::string>::connect(listener.address(), {.key = key});
  auto far = listener.accept<std::string>();
  std::string bytes;
  EXPECT_THROW(detail::core::pack(bytes, near), BadCall) << "not an argument";
  near.send("still here");
  EXPECT_EQ(far.recv(), "still here");
}

TEST_F(Encrypted, ACopyThatWasForkedBeforeItWentIsRefused) {
  auto near = Connection<std::string>::connect(listener.address(), {.key = key});
  auto far = listener.accept<std::string>();
  detail::test::Forked copy([&](int) {
    if (far.recv() != "go") return 1;
    try {
      near.send("from the copy");
    } catch (const Closed&) {
      return 0;
    }
    return 2;
  });
  Process child([](Connection<std::string> end) { end.send("go"); }, std::move(near));
  child.start();
  EXPECT_EQ(copy.join(), 0);
}

}  // namespace
}  // namespace steward
