// What must not compile, and with which words: each CASE is one program. CASE 0 compiles.
#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <steward/proxy/dict.hpp>
#include <steward/proxy/list.hpp>
#include <steward/proxy/queue.hpp>

#ifndef CASE
#define CASE 0
#endif

namespace steward::detail::test {

struct Raw {
  char small;
  double large;
};
struct NoAdaptor {
  std::string text;
};
struct WithPointer {
  int size;
  const char* text;
};
struct Packed {
  int n = 0;
  MSGPACK_DEFINE(n)
};

// Everything that stands beside a refused case, and compiles.
inline void compiles(const Dict<std::string, std::vector<int>>& d, const List<int>& l,
                     const List<Raw>& raw, const List<Packed>& packed,
                     const Dict<Packed, Raw>& by_packed) {
  d["l"] = {1, 2};
  (void)d["l"]->size();
  l[0] += 1;
  --l[0];
  const int old = l[0];
  l[0] = l[1] = old;
  [[maybe_unused]] const bool same = l[0] == l[1] && l[0] == old && d["l"] == d["m"];
  for (auto item : l) static_cast<void>(item += 1);
  raw.append(Raw{});
  raw.copy();
  raw[0] = Raw{};
  packed.sort();
  by_packed.set(Packed{1}, Raw{});
  by_packed.update_with(Packed{1}, [](Raw old) { return old; });
}

#if CASE == 1
void refused(const Dict<std::string, std::vector<int>>& d) { d["l"].push_back(1); }
#elif CASE == 2
void refused(const Dict<std::string, std::vector<int>>& d) { d["l"]->push_back(1); }
#elif CASE == 3
void refused(const List<int>& l) { l[0] *= 2; }
#elif CASE == 4
void refused(const List<std::string>& l) { l[0] += "x"; }
#elif CASE == 5
void refused(const Dict<std::string, bool>& d) { ++d["x"]; }
#elif CASE == 6
void refused(const List<int*>& l) { l.append(nullptr); }
#elif CASE == 7
void refused(const List<std::string_view>& l) { l.append("x"); }
#elif CASE == 8
void refused(const Queue<std::span<int>>& q) { q.put({}); }
#elif CASE == 9
void refused(const List<NoAdaptor>& l) { l.append({}); }
#elif CASE == 10
void refused(const List<Raw>& l) { l.sort(); }
#elif CASE == 11
void refused(const List<Raw>& l) { l.contains({}); }
#elif CASE == 12
void refused(const Dict<Raw, int>& d) { d.set({}, 1); }
#elif CASE == 13
void refused(const Dict<int, Raw>& d) { d.compare_exchange(1, {}, {}); }
#elif CASE == 14
void refused(const List<std::vector<Raw>>& l) { l.index({}); }
#elif CASE == 15
void refused(const List<std::string>& l) { l.add(0, 1); }
#elif CASE == 16
void refused(const List<int>& l) { l.add(0, 0.5); }
#elif CASE == 17
void refused(const Dict<Raw, int>& d) { d.keys(); }
#elif CASE == 18
void refused(const List<int>& l) { auto old = l[0]; int value = old; }
#elif CASE == 19
void refused(const List<int>& l) { const auto& old = l[0]; old += 1; }
#elif CASE == 20
bool refused(const List<int>& l) { auto old = l[0]; return l[0] == old; }
#elif CASE == 21
void refused(const List<List<int>>& l) { auto row = l[0]; row->clear(); }
#elif CASE == 22
void refused(const Queue<WithPointer>& q) { q.put({}); }
#elif CASE == 23
void refused(const Dict<const char*, int>& d) { d.set("x", 1); }
#elif CASE == 24
void refused(const Queue<WithPointer>& q) { q.loan(); }
#elif CASE == 25
void refused(const Queue<WithPointer>& q) { q.take(); }
#elif CASE == 26
void refused(const Dict<int, std::vector<int>>& d) {
  d.update_with(1, [](std::vector<int> all) { all.push_back(1); });
}
#elif CASE == 27
void refused(const List<int>& l) {
  l.sort([](int a, int b) { return a < b; });
}
#elif CASE == 28
void refused(const List<int>& l) { l.extend("jobs"); }
#elif CASE == 29
void refused(const List<double>& l) { l.extend(std::string("jobs")); }
#elif CASE == 30
void refused(const Queue<char>& q) { q.put_many("jobs"); }
#elif CASE == 31
struct PackedView {
  std::string_view text;
  MSGPACK_DEFINE(text)
};
void refused(const List<std::vector<PackedView>>& l) { l.append({}); }
#elif CASE == 32
void refused(const Queue<int>& q) { q.get(std::chrono::seconds(2)); }
#endif

}  // namespace steward::detail::test
