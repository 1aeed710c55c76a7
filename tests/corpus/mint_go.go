// Mint session secrets with gorilla/securecookie, and in the formats of scs and gorilla/csrf.
//
// Writes kinds as JSON Lines for contexts.py. Lines marked "native" were written by
// Go's own formatting of headers and structs.
package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"runtime"

	"github.com/gorilla/securecookie"
)

const many = 10

type native struct {
	Context string   `json:"context"`
	Text    string   `json:"text"`
	Secrets []string `json:"secrets"`
}

type kind struct {
	Kind        string   `json:"kind"`
	MadeBy      string   `json:"made_by"`
	Name        string   `json:"name"`
	Values      []string `json:"values"`
	Carriers    []string `json:"carriers"`
	Noun        string   `json:"noun"`
	Header      string   `json:"header"`
	ToldByShape bool     `json:"told_by_shape"`
	Native      []native `json:"native,omitempty"`
}

type login struct {
	UserID       int
	SessionToken string
	RequestID    string
}

func several(mint func(int) string) []string {
	values := make([]string, many)
	for number := range values {
		values[number] = mint(number)
	}
	return values
}

func opaque(length int) string {
	random := make([]byte, length)
	if _, err := rand.Read(random); err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(random)
}

// natives shows a cookie's value in http.Header, http.Cookie and a struct.
func natives(name, value string) []native {
	header := http.Header{}
	header.Set("Accept", "*/*")
	header.Set("Cookie", "theme=dark; "+name+"="+value)
	header.Set("X-Request-Id", "0195f1c2-7c1e-7b3a-b1a2-8d4e5f6a7b8c")
	cookie := http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true}
	state := login{42, value, "0195f1c2-7c1e-7b3a-b1a2-8d4e5f6a7b8c"}
	seen := []string{value}
	return []native{
		{"go-native-header-map", fmt.Sprintf("2026/03/02 08:00:00 headers: %v", header), seen},
		{"go-native-header-sharp", fmt.Sprintf("2026/03/02 08:00:00 headers: %#v", header), seen},
		{"go-native-cookie", fmt.Sprintf("2026/03/02 08:00:00 cookie: %+v", cookie), seen},
		{"go-native-set-cookie", "2026/03/02 08:00:00 Set-Cookie: " + cookie.String(), seen},
		{"go-native-struct", fmt.Sprintf("2026/03/02 08:00:00 login %+v", state), seen},
		{"go-native-struct-sharp", fmt.Sprintf("2026/03/02 08:00:00 login %#v", state), seen},
	}
}

func main() {
	hash := sha256.Sum256([]byte("corpus-key-not-used-anywhere-else"))
	signed := securecookie.New(hash[:], nil)
	sealed := securecookie.New(hash[:], hash[:])
	encode := func(codec *securecookie.SecureCookie) func(int) string {
		return func(number int) string {
			text, err := codec.Encode("session", map[string]int{"user": number})
			if err != nil {
				panic(err)
			}
			return text
		}
	}
	token := opaque(32)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for _, one := range []kind{
		{"gorilla-session", "gorilla/securecookie 1.1.1", "session", several(encode(signed)), []string{"cookie"}, "session", "", true, natives("session", encode(signed)(99))},
		{"gorilla-session-encrypted", "gorilla/securecookie 1.1.1", "app-session", several(encode(sealed)), []string{"cookie"}, "session", "", true, nil},
		{"gorilla-csrf", "format of gorilla/csrf", "gorilla.csrf.Token", several(func(int) string {
			random := make([]byte, 64)
			rand.Read(random)
			return base64.StdEncoding.EncodeToString(random)
		}), []string{"field", "header"}, "CSRF token", "X-CSRF-Token", false, nil},
		{"scs-session", "format of scs, " + runtime.Version(), "session", several(func(int) string { return opaque(32) }), []string{"cookie"}, "session", "", false, natives("session_token", token)},
	} {
		if err := out.Encode(one); err != nil {
			panic(err)
		}
	}
}
