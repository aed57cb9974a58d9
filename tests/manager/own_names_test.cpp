// A program of its own names beside `using namespace steward`: those that the library uses inside,
// and those that programs like to use.

#include <cstddef>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/steward.hpp>

using namespace steward;

namespace {

int core = 1, shm = 2, proxy = 3, engine = 4, server = 5, face = 6, manager = 7, pool = 8;

struct Name {};
struct Types {};
struct TypeList {};
struct Waitable {};
struct Clock {};
struct Session {};
struct Reader {};
struct Limits {};
struct State {};
using Bytes = std::vector<std::byte>;

int process(int of) { return of + 1; }
int client(const std::string& name) { return static_cast<int>(name.size()); }

TEST(OwnNames, OfAProgramStandBesideThoseOfTheLibrary) {
  Manager mine;
  const auto numbers = mine.list<int>(named("numbers"), {core, shm, proxy, engine, server});
  numbers.append(face + manager + pool);
  EXPECT_EQ(numbers.at(-1), 21);
  EXPECT_EQ(process(numbers.at(0)), 2);
  EXPECT_EQ(client("three"), 5);
  EXPECT_EQ(sizeof(Name) + sizeof(Types) + sizeof(TypeList) + sizeof(Waitable) + sizeof(Clock) +
                sizeof(Session) + sizeof(Reader) + sizeof(Limits) + sizeof(State),
            9U);
  EXPECT_EQ(mine.list<Bytes>({Bytes(3)}).at(0).size(), 3U);
}

}  // namespace
