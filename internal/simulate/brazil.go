package simulate

// state is one of the 27 federative units with what the simulator needs of it.
type state struct {
	uf     string
	weight float64 // share of the customers, by population and e-commerce use; relative
	region byte    // ninth digit of a CPF issued there: the fiscal region of the Receita Federal
	cepLo  uint32  // first and last CEP of its main range (Correios)
	cepHi  uint32
	cities []city
}

type city struct {
	name string
	ddd  uint8 // telephone area code (Anatel)
}

// brazil returns the states. A function, not a variable: nothing can change it behind a Shop's back.
func brazil() []state {
	return []state{
		{"SP", 30.5, '8', 1000_000, 19999_999, []city{{"São Paulo", 11}, {"Campinas", 19}, {"Santos", 13}, {"Ribeirão Preto", 16}, {"Sorocaba", 15}}},
		{"RJ", 10.2, '7', 20000_000, 28999_999, []city{{"Rio de Janeiro", 21}, {"Niterói", 21}, {"Campos dos Goytacazes", 22}, {"Petrópolis", 24}}},
		{"MG", 9.8, '6', 30000_000, 39999_999, []city{{"Belo Horizonte", 31}, {"Uberlândia", 34}, {"Juiz de Fora", 32}, {"Montes Claros", 38}}},
		{"RS", 5.9, '0', 90000_000, 99999_999, []city{{"Porto Alegre", 51}, {"Caxias do Sul", 54}, {"Pelotas", 53}}},
		{"PR", 6.4, '9', 80000_000, 87999_999, []city{{"Curitiba", 41}, {"Londrina", 43}, {"Maringá", 44}}},
		{"SC", 4.7, '9', 88000_000, 89999_999, []city{{"Florianópolis", 48}, {"Joinville", 47}, {"Chapecó", 49}}},
		{"BA", 5.4, '5', 40000_000, 48999_999, []city{{"Salvador", 71}, {"Feira de Santana", 75}, {"Vitória da Conquista", 77}}},
		{"PE", 3.8, '4', 50000_000, 56999_999, []city{{"Recife", 81}, {"Caruaru", 81}, {"Petrolina", 87}}},
		{"CE", 3.4, '3', 60000_000, 63999_999, []city{{"Fortaleza", 85}, {"Juazeiro do Norte", 88}}},
		{"DF", 3.0, '1', 70000_000, 72799_999, []city{{"Brasília", 61}}},
		{"GO", 3.1, '1', 73700_000, 76799_999, []city{{"Goiânia", 62}, {"Anápolis", 62}}},
		{"ES", 2.0, '7', 29000_000, 29999_999, []city{{"Vitória", 27}, {"Vila Velha", 27}}},
		{"PA", 2.1, '2', 66000_000, 68899_999, []city{{"Belém", 91}, {"Santarém", 93}}},
		{"MA", 1.5, '3', 65000_000, 65999_999, []city{{"São Luís", 98}, {"Imperatriz", 99}}},
		{"MT", 1.4, '1', 78000_000, 78899_999, []city{{"Cuiabá", 65}, {"Rondonópolis", 66}}},
		{"MS", 1.2, '1', 79000_000, 79999_999, []city{{"Campo Grande", 67}, {"Dourados", 67}}},
		{"PB", 1.3, '4', 58000_000, 58999_999, []city{{"João Pessoa", 83}, {"Campina Grande", 83}}},
		{"RN", 1.2, '4', 59000_000, 59999_999, []city{{"Natal", 84}, {"Mossoró", 84}}},
		{"AM", 1.2, '2', 69000_000, 69299_999, []city{{"Manaus", 92}}},
		{"AL", 0.9, '4', 57000_000, 57999_999, []city{{"Maceió", 82}}},
		{"PI", 0.9, '3', 64000_000, 64999_999, []city{{"Teresina", 86}}},
		{"SE", 0.7, '5', 49000_000, 49999_999, []city{{"Aracaju", 79}}},
		{"RO", 0.6, '2', 76800_000, 76999_999, []city{{"Porto Velho", 69}}},
		{"TO", 0.5, '1', 77000_000, 77999_999, []city{{"Palmas", 63}}},
		{"AC", 0.2, '2', 69900_000, 69999_999, []city{{"Rio Branco", 68}}},
		{"AP", 0.2, '2', 68900_000, 68999_999, []city{{"Macapá", 96}}},
		{"RR", 0.2, '2', 69300_000, 69399_999, []city{{"Boa Vista", 95}}},
	}
}

// firstNames and surnames are frequent ones of the 2010 and 2022 censuses.
func firstNames() []string {
	return []string{"Maria", "José", "Ana", "João", "Antônio", "Francisco", "Carlos", "Paulo", "Pedro", "Lucas",
		"Luiz", "Marcos", "Luís", "Gabriel", "Rafael", "Francisca", "Daniel", "Marcelo", "Bruno", "Eduardo",
		"Felipe", "Adriana", "Juliana", "Márcia", "Fernanda", "Patrícia", "Aline", "Sandra", "Camila", "Amanda",
		"Bruna", "Jéssica", "Letícia", "Júlia", "Luciana", "Vanessa", "Mariana", "Helena", "Miguel", "Arthur",
		"Davi", "Laura", "Alice", "Heitor", "Sofia", "Valentina", "Tiago", "Larissa", "Beatriz", "Caio"}
}

func surnames() []string {
	return []string{"Silva", "Santos", "Oliveira", "Souza", "Pereira", "Costa", "Rodrigues", "Almeida", "Nascimento", "Lima",
		"Araújo", "Fernandes", "Carvalho", "Gomes", "Martins", "Rocha", "Ribeiro", "Alves", "Monteiro", "Mendes",
		"Barros", "Freitas", "Barbosa", "Pinto", "Moura", "Cavalcanti", "Dias", "Castro", "Campos", "Cardoso",
		"Teixeira", "Vieira", "Moreira", "Correia", "Ramos", "Nunes", "Machado", "Lopes", "Batista", "Duarte"}
}

// asciiFold lists the accented letters that occur in the names above, for use in e-mail addresses.
func asciiFold(name string) string {
	out := make([]byte, 0, len(name))
	for _, r := range name {
		switch r {
		case 'á', 'ã', 'â':
			r = 'a'
		case 'é', 'ê':
			r = 'e'
		case 'í':
			r = 'i'
		case 'ó', 'ô', 'õ':
			r = 'o'
		case 'ú':
			r = 'u'
		case 'ç':
			r = 'c'
		}
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		out = append(out, byte(r))
	}
	return string(out)
}

// bin is a card range and its brand. Ranges are plausible for the brand, not a register of issuers.
type bin struct {
	digits string
	brand  string
	weight float64
}

func bins() []bin {
	return []bin{
		{"453211", "visa", 9}, {"406669", "visa", 8}, {"491441", "visa", 7}, {"455187", "visa", 6}, {"42205101", "visa", 3},
		{"516292", "mastercard", 10}, {"523421", "mastercard", 9}, {"547852", "mastercard", 8}, {"230650", "mastercard", 4}, {"55028801", "mastercard", 3},
		{"509067", "elo", 4}, {"650487", "elo", 3}, {"636297", "elo", 2},
		{"606282", "hipercard", 2}, {"376449", "amex", 1.5},
	}
}

// userAgents are what browsers and the shop's own app send; frozen major versions, as browsers send them today.
func userAgents() []string {
	return []string{
		"FastShop/7.42 (Android 15; SM-A546E)",
		"FastShop/7.42 (Android 14; moto g84)",
		"FastShop/7.41 (iOS 19.1; iPhone15,2)",
		"FastShop/7.40 (Android 13; Redmi Note 12)",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
	}
}

const appAgents = 4 // how many of userAgents, from the front, are the shop's own app

// banks are ISPB numbers of payment-service providers, as they appear in a Pix end-to-end id.
func banks() []string {
	return []string{"60701190", "60746948", "00000000", "90400888", "00360305", "18236120", "00416968", "10573521", "22896431"}
}
